// SPDX-License-Identifier: GPL-2.0-or-later
// A domain that is there for as long as somebody follows it: a guest is started, heard and seen,
// and thrown away.

#include "transient-domain.h"

#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/size.h"

// QEMU 7.2 looks once a second whether somebody has its terminal open, and what the guest says
// until it has seen that is lost; so the guest does not run before.
#define TERMINAL_IS_SEEN_US (1200 * 1000)
#define PICTURE_SIZE_MAX    (64u << 20)
#define READ_SIZE           16384

enum
{
  ON_LIFECYCLE,
  ON_REBOOT,
  ON_AGENT,
  N_CALLBACKS
};

struct TransientDomain
{
  virConnectPtr connection;
  virDomainPtr domain;
  virStreamPtr console; // NULL: none, or at its end
  const TransientCalls *calls;
  gpointer data;
  int callbacks[N_CALLBACKS]; // -1: not registered
  gboolean is_signalled;      // QEMU, to end: libvirt then takes it for the guest's doing
};

/* libvirt frees nothing of ours.  */
static void
free_nothing (void *data)
{
}

static void
tell (const TransientDomain *domain, TransientEvent event)
{
  if (domain->calls->on_event)
    domain->calls->on_event (event, domain->data);
}

/* What it means that the domain has stopped, DETAIL being libvirt's.  */
static TransientEvent
meaning_of_stop (const TransientDomain *domain, int detail)
{
  switch (detail)
    {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
      return domain->is_signalled ? TRANSIENT_FAILED : TRANSIENT_OFF;
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
      return TRANSIENT_DESTROYED;
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
      return TRANSIENT_PANICKED;
    default:
      return TRANSIENT_FAILED;
    }
}

static int
on_lifecycle (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
  TransientDomain *self = data;

  if (event == VIR_DOMAIN_EVENT_CRASHED)
    tell (self, TRANSIENT_PANICKED);
  else if (event == VIR_DOMAIN_EVENT_SHUTDOWN && detail == VIR_DOMAIN_EVENT_SHUTDOWN_HOST)
    self->is_signalled = TRUE;
  else if (event == VIR_DOMAIN_EVENT_STOPPED)
    tell (self, meaning_of_stop (self, detail));
  return 0;
}

static void
on_reboot (virConnectPtr connection, virDomainPtr domain, void *data)
{
  tell (data, TRANSIENT_RESET);
}

static void
on_agent (virConnectPtr connection, virDomainPtr domain, int state, int reason, void *data)
{
  const TransientDomain *self = data;

  if (state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED && self->calls->on_agent)
    self->calls->on_agent (self->data);
}

static void
on_close (virConnectPtr connection, int reason, void *data)
{
  tell (data, TRANSIENT_FAILED);
}

static void
close_console (TransientDomain *domain)
{
  if (!domain->console)
    return;
  virStreamEventRemoveCallback (domain->console);
  virStreamAbort (domain->console);
  virStreamFree (domain->console);
  domain->console = NULL;
}

/* Take what the console says, once: there is a next time if there is more.  */
static void
on_console (virStreamPtr stream, int events, void *data)
{
  TransientDomain *domain = data;
  char bytes[READ_SIZE];
  int count = virStreamRecv (stream, bytes, sizeof bytes);

  if (count > 0)
    domain->calls->on_console (bytes, (gsize)count, domain->data);
  else if (count != -2) // -2: nothing is there now
    close_console (domain);
}

static gboolean
open_console (TransientDomain *domain, GError **error)
{
  domain->console = virStreamNew (domain->connection, VIR_STREAM_NONBLOCK);
  if (!domain->console
      || virDomainOpenConsole (domain->domain, NULL, domain->console, VIR_DOMAIN_CONSOLE_FORCE) < 0
      || virStreamEventAddCallback (domain->console,
                                    VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_ERROR
                                        | VIR_STREAM_EVENT_HANGUP,
                                    on_console, domain, free_nothing)
             < 0)
    return libvirt_fail (error, "the VM's serial console");
  g_usleep (TERMINAL_IS_SEEN_US);
  return TRUE;
}

static gboolean
register_callbacks (TransientDomain *domain, GError **error)
{
  const struct
  {
    int event;
    virConnectDomainEventGenericCallback callback;
  } EVENTS[N_CALLBACKS] = {
    [ON_LIFECYCLE] = { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle) },
    [ON_REBOOT] = { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK (on_reboot) },
    [ON_AGENT] = { VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_agent) },
  };

  for (gsize i = 0; i < N_CALLBACKS; i++)
    {
      domain->callbacks[i] =
          virConnectDomainEventRegisterAny (domain->connection, domain->domain, EVENTS[i].event,
                                            EVENTS[i].callback, domain, free_nothing);
      if (domain->callbacks[i] < 0)
        return libvirt_fail (error, "libvirt's events");
    }
  return virConnectRegisterCloseCallback (domain->connection, on_close, domain, free_nothing) == 0
         || libvirt_fail (error, "libvirt's events");
}

static void
unregister_callbacks (TransientDomain *domain)
{
  for (gsize i = 0; i < N_CALLBACKS; i++)
    if (domain->callbacks[i] >= 0)
      virConnectDomainEventDeregisterAny (domain->connection, domain->callbacks[i]);
  virConnectUnregisterCloseCallback (domain->connection, on_close);
}

/* What the kernel could give to programs without swapping, in bytes; 0 where it does not say.  */
static guint64
available_memory (void)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/meminfo", &text, NULL, NULL)
      || !(line = strstr (text, "\nMemAvailable:")))
    return 0;
  return g_ascii_strtoull (line + strlen ("\nMemAvailable:"), NULL, 10) * KiB;
}

/* A guest takes its RAM as it goes, so a host that has too little would kill somebody later.  */
static gboolean
check_memory (const TransientDomain *domain, GError **error)
{
  guint64 available = available_memory ();
  virDomainInfo info;

  if (virDomainGetInfo (domain->domain, &info) < 0)
    return libvirt_fail (error, "the VM's RAM");
  if (available == 0 || info.maxMem <= available / KiB)
    return TRUE;
  g_autofree char *wanted = size_format (info.maxMem * KiB);
  g_autofree char *has = size_format (available);
  return fail (
      error,
      "the VM may use %s of RAM, and this host has %s to spare: give it less, or end something",
      wanted, has);
}

TransientDomain *
transient_domain_start (virConnectPtr connection, const char *xml, const TransientCalls *calls,
                        gpointer data, GError **error)
{
  const unsigned int flags =
      VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY | VIR_DOMAIN_START_VALIDATE;
  virDomainPtr started = virDomainCreateXML (connection, xml, flags);

  if (!started)
    {
      libvirt_fail (error, "the VM does not start");
      return NULL;
    }
  TransientDomain *domain = g_new (TransientDomain, 1);
  *domain = (TransientDomain){ connection, started, NULL, calls, data, { -1, -1, -1 } };
  if (check_memory (domain, error) && register_callbacks (domain, error)
      && (!calls->on_console || open_console (domain, error))
      && (virDomainResume (started) == 0 || libvirt_fail (error, "the VM does not run")))
    return domain;
  transient_domain_end (domain, NULL);
  return NULL;
}

virDomainPtr
transient_domain_get (const TransientDomain *domain)
{
  return domain->domain;
}

/* All that STREAM has.  */
static GByteArray *
receive (virStreamPtr stream, GError **error)
{
  g_autoptr (GByteArray) picture = g_byte_array_new ();
  guint8 bytes[READ_SIZE];
  int count;

  while ((count = virStreamRecv (stream, (char *)bytes, sizeof bytes)) > 0)
    {
      if (picture->len > PICTURE_SIZE_MAX)
        {
          fail (error, "the picture of the VM's screen is larger than %u MiB",
                PICTURE_SIZE_MAX >> 20);
          return NULL;
        }
      g_byte_array_append (picture, bytes, (guint)count);
    }
  if (count < 0 || virStreamFinish (stream) < 0)
    {
      libvirt_fail (error, "the picture of the VM's screen");
      return NULL;
    }
  return g_steal_pointer (&picture);
}

GBytes *
transient_domain_screenshot (const TransientDomain *domain, const char **type, GError **error)
{
  virStreamPtr stream = virStreamNew (domain->connection, 0);
  char *mime_type = stream ? virDomainScreenshot (domain->domain, stream, 0, 0) : NULL;
  g_autoptr (GByteArray) picture = NULL;

  if (!mime_type)
    libvirt_fail (error, "there is no picture of the VM's screen");
  else if (!(picture = receive (stream, error)))
    virStreamAbort (stream);
  *type = g_strcmp0 (mime_type, "image/png") == 0 ? "png" : "ppm";
  free (mime_type);
  if (stream)
    virStreamFree (stream);
  return picture ? g_byte_array_free_to_bytes (g_steal_pointer (&picture)) : NULL;
}

/* One that is gone has been destroyed, whoever did it.  */
static gboolean
destroy (virDomainPtr domain, GError **error)
{
  virErrorPtr last;

  if (virDomainDestroy (domain) == 0)
    return TRUE;
  last = virGetLastError ();
  return (last && (last->code == VIR_ERR_NO_DOMAIN || last->code == VIR_ERR_OPERATION_INVALID))
         || libvirt_fail (error, "the VM cannot be ended");
}

/* By a new connection, if the old one is lost: systemd starts another libvirtd at once.  */
static gboolean
destroy_anew (const char *uuid)
{
  g_autoptr (virConnect) connection = libvirt_connect (NULL);
  virDomainPtr domain = connection ? virDomainLookupByUUIDString (connection, uuid) : NULL;
  virErrorPtr last = connection && !domain ? virGetLastError () : NULL;
  gboolean is_gone = domain ? destroy (domain, NULL) : last && last->code == VIR_ERR_NO_DOMAIN;

  if (domain)
    virDomainFree (domain);
  return is_gone;
}

gboolean
transient_domain_end (TransientDomain *domain, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  char uuid[VIR_UUID_STRING_BUFLEN];

  unregister_callbacks (domain);
  close_console (domain);
  gboolean ended = destroy (domain->domain, &local_error)
                   || (virDomainGetUUIDString (domain->domain, uuid) == 0 && destroy_anew (uuid));
  if (!ended)
    g_propagate_error (error, g_steal_pointer (&local_error));
  virDomainFree (domain->domain);
  g_free (domain);
  return ended;
}

gboolean
transient_domain_sweep (virConnectPtr connection,
                        gboolean (*is_leftover) (virDomainPtr domain, gpointer data), gpointer data,
                        GError **error)
{
  virDomainPtr *domains = NULL;
  int n = virConnectListAllDomains (connection, &domains, VIR_CONNECT_LIST_DOMAINS_TRANSIENT);

  if (n < 0)
    return libvirt_fail (error, "list domains");
  for (int i = 0; i < n; i++)
    {
      if (is_leftover (domains[i], data))
        virDomainDestroy (domains[i]); // fails where somebody else does it
      virDomainFree (domains[i]);
    }
  free (domains);
  return TRUE;
}
