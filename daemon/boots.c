// SPDX-License-Identifier: GPL-2.0-or-later
// Whether the desktops of this host come up, and how often they are reset or crash.
//
// Of a serial console one can only know what it says while one listens.  So a boot that this gildd
// did not follow from its start, and that was not heard to be up, is not counted at all.

#include "boots.h"

#include "boot-console.h"
#include "domain-pin.h"
#include "guest-agent.h"
#include "libvirt-connection.h"
#include "qcow-backing/fail.h"
#include "virt-hooks/metadata.h"

enum
{
  ON_LIFECYCLE,
  ON_REBOOT,
  ON_AGENT,
  N_CALLBACKS
};

/* A firmware may reset the machine again while it starts: resets that come so soon one after the
   other are one.  */
#define RESET_SECONDS 30

struct Boots
{
  const Config *config;
  BootLog *log;
  virConnectPtr connection; // NULL: none
  int callbacks[N_CALLBACKS];
  GHashTable *followed; // desktop's name -> Boot *
};

/* A boot that is not up yet, or is.  */
typedef struct
{
  Boots *boots;
  char *name;
  BootConsole *console; // where a text is waited for; NULL: the agent is
  gboolean is_whole;    // it was followed from its start
  gboolean has_crashed; // as libvirt has said
  int timer;            // when it should be up; -1: it is, or was late
  gint64 reset_us;      // when it was reset last; 0: not yet
} Boot;

/* libvirt frees nothing of ours.  */
static void
free_nothing (void *data)
{
}

static void
end_waiting (Boot *boot)
{
  g_clear_pointer (&boot->console, boot_console_free);
  if (boot->timer >= 0)
    virEventRemoveTimeout (boot->timer);
  boot->timer = -1;
}

static void
boot_free (gpointer data)
{
  Boot *boot = data;

  end_waiting (boot);
  g_free (boot->name);
  g_free (boot);
}

Boots *
boots_new (const Config *config)
{
  Boots *boots = g_new0 (Boots, 1);

  boots->config = config;
  boots->log = boot_log_open (config);
  boots->followed = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, boot_free);
  return boots;
}

void
boots_free (Boots *boots)
{
  if (!boots)
    return;
  g_hash_table_unref (boots->followed);
  boot_log_free (boots->log);
  g_free (boots);
}

static void
is_up (Boot *boot)
{
  end_waiting (boot);
  boot_log_set (boot->boots->log, boot->name, BOOT_UP);
}

static void
on_text (gpointer data)
{
  is_up (data);
}

static void
on_time (int timer, void *data)
{
  Boot *boot = data;
  gboolean heard_all = !boot->console || (boot->is_whole && boot_console_is_open (boot->console));

  end_waiting (boot);
  if (heard_all)
    {
      g_message ("%s: it should have come up by now", boot->name);
      boot_log_set (boot->boots->log, boot->name, BOOT_LATE);
    }
  else
    boot_log_forget (boot->boots->log, boot->name);
}

/* The text that DOMAIN says when it is up, owned by the caller; NULL where its agent says it.  */
static char *
ready_text (const Boots *boots, virDomainPtr domain)
{
  char *xml = virDomainGetXMLDesc (domain, VIR_DOMAIN_XML_INACTIVE); // as it was defined
  g_autoptr (Metadata) metadata =
      xml ? metadata_parse (xml, strlen (xml), boots->config->run_dir, NULL) : NULL;

  free (xml);
  return metadata ? g_strdup (metadata->ready) : NULL;
}

/* Wait for the boot of DOMAIN to be up.  */
static void
wait_for (Boot *boot, virDomainPtr domain)
{
  Boots *boots = boot->boots;
  g_autofree char *ready = ready_text (boots, domain);

  if (!ready && guest_agent_is_connected (domain))
    {
      is_up (boot);
      return;
    }
  if (ready)
    boot->console = boot_console_open (boots->connection, domain, ready, on_text, boot);
  boot->timer =
      virEventAddTimeout ((int)boots->config->boot_seconds * 1000, on_time, boot, free_nothing);
}

/* Follow DOMAIN if it is a desktop.  A transient one is somebody's experiment.  */
static void
follow (Boots *boots, virDomainPtr domain, gboolean is_whole)
{
  g_autoptr (Pin) pin =
      virDomainIsPersistent (domain) == 1 ? domain_pin (boots->config, domain) : NULL;

  if (!pin)
    return;
  Boot *boot = g_new0 (Boot, 1);
  *boot = (Boot){ .boots = boots, .name = g_strdup (pin->name), .is_whole = is_whole, .timer = -1 };
  g_hash_table_replace (boots->followed, boot->name, boot);
  if (boot_log_start (boots->log, pin) != BOOT_UP)
    wait_for (boot, domain);
}

static void
end (Boots *boots, const char *name, gboolean has_crashed)
{
  const Boot *boot = g_hash_table_lookup (boots->followed, name);

  if (!boot)
    return;
  boot_log_end (boots->log, name, has_crashed || boot->has_crashed);
  g_hash_table_remove (boots->followed, name);
}

static int
on_lifecycle (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
  Boots *boots = data;
  const char *name = virDomainGetName (domain);
  Boot *boot = g_hash_table_lookup (boots->followed, name);

  if (event == VIR_DOMAIN_EVENT_STARTED)
    follow (boots, domain, TRUE);
  else if (event == VIR_DOMAIN_EVENT_CRASHED && boot)
    boot->has_crashed = TRUE;
  else if (event == VIR_DOMAIN_EVENT_STOPPED)
    end (boots, name,
         detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED || detail == VIR_DOMAIN_EVENT_STOPPED_FAILED);
  return 0;
}

static void
on_reboot (virConnectPtr connection, virDomainPtr domain, void *data)
{
  Boots *boots = data;
  Boot *boot = g_hash_table_lookup (boots->followed, virDomainGetName (domain));
  gint64 now_us = g_get_monotonic_time ();

  if (!boot)
    return;
  if (boot->reset_us == 0 || now_us - boot->reset_us > RESET_SECONDS * G_TIME_SPAN_SECOND)
    boot_log_reset (boots->log, boot->name);
  boot->reset_us = now_us;
}

static void
on_agent (virConnectPtr connection, virDomainPtr domain, int state, int reason, void *data)
{
  Boots *boots = data;
  Boot *boot = g_hash_table_lookup (boots->followed, virDomainGetName (domain));

  if (!boot || state != VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED)
    return;
  g_autofree char *ready = ready_text (boots, domain);
  if (!ready)
    is_up (boot);
}

static gboolean
register_callbacks (Boots *boots, GError **error)
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
    boots->callbacks[i] = -1;
  for (gsize i = 0; i < N_CALLBACKS; i++)
    if ((boots->callbacks[i] = virConnectDomainEventRegisterAny (
             boots->connection, NULL, EVENTS[i].event, EVENTS[i].callback, boots, free_nothing))
        < 0)
      return libvirt_fail (error, "libvirt's events");
  return TRUE;
}

gboolean
boots_connect (Boots *boots, virConnectPtr connection, GError **error)
{
  virDomainPtr *domains = NULL;
  int n;

  boots->connection = connection;
  if (!register_callbacks (boots, error))
    return FALSE;
  n = virConnectListAllDomains (connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  if (n < 0)
    return libvirt_fail (error, "list domains");
  for (int i = 0; i < n; i++)
    {
      follow (boots, domains[i], FALSE);
      virDomainFree (domains[i]);
    }
  free (domains);
  boot_log_keep (boots->log, boots->followed);
  return TRUE;
}

void
boots_disconnect (Boots *boots)
{
  g_hash_table_remove_all (boots->followed);
  for (gsize i = 0; boots->connection && i < N_CALLBACKS; i++)
    if (boots->callbacks[i] >= 0)
      virConnectDomainEventDeregisterAny (boots->connection, boots->callbacks[i]);
  boots->connection = NULL;
}
