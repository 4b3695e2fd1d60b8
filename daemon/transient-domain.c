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

static int
on_lifecycle (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
  static const TransientEvent STOPPED[] = {
    [VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN] = TRANSIENT_OFF,
    [VIR_DOMAIN_EVENT_STOPPED_DESTROYED] = TRANSIENT_DESTROYED,
    [VIR_DOMAIN_EVENT_STOPPED_CRASHED] = TRANSIENT_PANICKED,
  };

  if (event == VIR_DOMAIN_EVENT_CRASHED)
    tell (data, TRANSIENT_PANICKED);
  else if (event == VIR_DOMAIN_EVENT_STOPPED)
    tell (data, detail >= 0 && (gsize)detail < G_N_ELEMENTS (STOPPED) ? STOPPED[detail]
                                                                      : TRANSIENT_FAILED);
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

gboolean
transient_domain_end (TransientDomain *domain, GError **error)
{
  unregister_callbacks (domain);
  close_console (domain);
  gboolean ended = destroy (domain->domain, error);
  virDomainFree (domain->domain);
  g_free (domain);
  return ended;
}
