// SPDX-License-Identifier: GPL-2.0-or-later
// The watch over the running desktops: a thread with libvirt's event loop.
//
// All calls of libvirt are made in this thread.  They may wait for libvirtd, which may wait for its
// hook, which waits for gildd: so the thread that answers the hook makes none.
//
// A callback of an event only wakes the desktop's timer; all that is done to a desktop is done from
// there, one after the other.  libvirt's event loop is GLib's default main context, so nothing else
// may be in that; the control socket has a context of its own.

#include "desktop-watch.h"

#include <stdlib.h>

#include <libvirt/virterror.h>

#include "boots.h"
#include "desktop-table.h"
#include "libvirt-connection.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/spill-directory.h"
#include "spill.h"

#define RECONNECT_MS        500
#define RECONNECT_LATEST_MS 2000
#define KEEPALIVE_SECONDS   5
#define STOP_SECONDS        2

struct DesktopWatch
{
  const Config *config;
  GThread *thread;
  int timer;                // of the connection: to make it, or to end
  guint n_failures;         // to connect, one after the other
  virConnectPtr connection; // the thread's own
  gboolean is_lost;         // the connection; the thread's own
  DesktopTable *table;
  Boots *boots; // the thread's own
  GMutex lock;  // guards what follows
  GCond ended;
  gboolean is_ending, has_ended;
  char *trouble;
};

/* libvirt frees nothing of ours.  */
static void
free_nothing (void *data)
{
}

/* The hook takes it with the rest, unless it was killed; then what is to be kept is for the sweep.
 */
static void
remove_spill (DesktopWatch *watch, const char *name)
{
  g_autoptr (JsonNode) node = pin_load (watch->config, name, NULL);
  g_autoptr (Pin) pin = node ? pin_read (node, NULL) : NULL;
  g_autoptr (GError) error = NULL;

  if (pin && pin->keep)
    return;
  if (!spill_directory_remove (watch->config, name, &error))
    g_message ("%s", error->message);
}

static int
on_lifecycle (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
  DesktopWatch *watch = data;
  const char *name = virDomainGetName (domain);

  if (event == VIR_DOMAIN_EVENT_STARTED)
    desktop_table_add (watch->table, domain);
  else if (event == VIR_DOMAIN_EVENT_STOPPED)
    {
      desktop_table_remove (watch->table, name);
      if (virDomainIsActive (domain) == 0)
        remove_spill (watch, name);
    }
  else
    desktop_table_poke (watch->table, name);
  return 0;
}

static void
on_io_error (virConnectPtr connection, virDomainPtr domain, const char *path, const char *device,
             int action, const char *reason, void *data)
{
  desktop_watch_poke (data, virDomainGetName (domain));
}

static void
on_threshold (virConnectPtr connection, virDomainPtr domain, const char *device, const char *path,
              unsigned long long threshold, unsigned long long excess, void *data)
{
  DesktopWatch *watch = data;

  desktop_table_has_grown (watch->table, virDomainGetName (domain));
}

static void
on_close (virConnectPtr connection, int reason, void *data)
{
  DesktopWatch *watch = data;

  watch->is_lost = TRUE;
  virEventUpdateTimeout (watch->timer, 0);
}

static gboolean
register_callbacks (DesktopWatch *watch, GError **error)
{
  const struct
  {
    int event;
    virConnectDomainEventGenericCallback callback;
  } EVENTS[] = {
    { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle) },
    { VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, VIR_DOMAIN_EVENT_CALLBACK (on_io_error) },
    { VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD, VIR_DOMAIN_EVENT_CALLBACK (on_threshold) },
  };

  if (virConnectRegisterCloseCallback (watch->connection, on_close, watch, free_nothing) < 0
      || virConnectSetKeepAlive (watch->connection, KEEPALIVE_SECONDS, 3) < 0)
    return libvirt_fail (error, "libvirt");
  for (gsize i = 0; i < G_N_ELEMENTS (EVENTS); i++)
    if (virConnectDomainEventRegisterAny (watch->connection, NULL, EVENTS[i].event,
                                          EVENTS[i].callback, watch, free_nothing)
        < 0)
      return libvirt_fail (error, "libvirt's events");
  return TRUE;
}

/* What was going on before this connection: follow who runs, and clear up after who does not.  */
static gboolean
take_stock (DesktopWatch *watch, GError **error)
{
  virDomainPtr *domains = NULL;
  int n = virConnectListAllDomains (watch->connection, &domains, 0);
  g_autoptr (GPtrArray) spilled = spill_directory_names (watch->config, NULL);

  if (n < 0)
    return libvirt_fail (error, "list domains");
  for (int i = 0; i < n; i++)
    {
      g_autoptr (GError) left = NULL;
      if (!spill_restore_definition (watch->config, domains[i], &left))
        g_message ("%s: %s", virDomainGetName (domains[i]), left->message);
      if (virDomainIsActive (domains[i]) == 1)
        desktop_table_add (watch->table, domains[i]);
      virDomainFree (domains[i]);
    }
  free (domains);
  for (guint i = 0; spilled && i < spilled->len; i++)
    if (!desktop_table_has (watch->table, spilled->pdata[i]))
      remove_spill (watch, spilled->pdata[i]);
  return TRUE;
}

static void
set_trouble (DesktopWatch *watch, const GError *error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&watch->lock);

  if (error && !watch->trouble)
    g_message ("no desktop is watched: %s", error->message);
  else if (!error && watch->trouble)
    g_message ("the desktops are watched again");
  g_free (watch->trouble);
  watch->trouble = error ? g_strdup (error->message) : NULL;
}

static void
disconnect (DesktopWatch *watch)
{
  desktop_table_clear (watch->table);
  boots_disconnect (watch->boots);
  if (watch->connection)
    virConnectClose (watch->connection);
  watch->connection = NULL;
  watch->is_lost = FALSE;
}

static gboolean
is_ending (DesktopWatch *watch)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&watch->lock);

  return watch->is_ending;
}

/* The connection's timer: make it, where there is none or it is lost.  */
static void
connect_anew (int timer, void *data)
{
  DesktopWatch *watch = data;
  g_autoptr (GError) error = NULL;

  virEventUpdateTimeout (timer, -1);
  if (is_ending (watch) || (watch->connection && !watch->is_lost))
    return;
  disconnect (watch);
  watch->connection = libvirt_connect (&error);
  if (watch->connection && register_callbacks (watch, &error) && take_stock (watch, &error)
      && boots_connect (watch->boots, watch->connection, &error))
    watch->n_failures = 0;
  else
    {
      disconnect (watch);
      watch->n_failures++;
      virEventUpdateTimeout (timer,
                             (int)MIN (RECONNECT_MS * watch->n_failures, RECONNECT_LATEST_MS));
    }
  set_trouble (watch, error);
}

static gpointer
run (gpointer data)
{
  DesktopWatch *watch = data;

  while (!is_ending (watch) && virEventRunDefaultImpl () == 0)
    continue;
  disconnect (watch);
  virEventRemoveTimeout (watch->timer);
  g_mutex_lock (&watch->lock);
  watch->has_ended = TRUE;
  g_cond_signal (&watch->ended);
  g_mutex_unlock (&watch->lock);
  return NULL;
}

DesktopWatch *
desktop_watch_start (const Config *config, GError **error)
{
  DesktopWatch *watch = g_new0 (DesktopWatch, 1);

  if (virInitialize () < 0 || virEventRegisterDefaultImpl () < 0
      || (watch->timer = virEventAddTimeout (0, connect_anew, watch, free_nothing)) < 0)
    {
      g_free (watch);
      libvirt_fail (error, "libvirt's event loop");
      return NULL;
    }
  watch->config = config;
  watch->table = desktop_table_new (config);
  watch->boots = boots_new (config);
  g_mutex_init (&watch->lock);
  g_cond_init (&watch->ended);
  watch->thread = g_thread_new ("desktops", run, watch);
  return watch;
}

void
desktop_watch_stop (DesktopWatch *watch)
{
  gint64 deadline = g_get_monotonic_time () + STOP_SECONDS * G_TIME_SPAN_SECOND;

  if (!watch)
    return;
  g_mutex_lock (&watch->lock);
  watch->is_ending = TRUE;
  virEventUpdateTimeout (watch->timer, 0);
  while (!watch->has_ended && g_cond_wait_until (&watch->ended, &watch->lock, deadline))
    continue;
  gboolean has_ended = watch->has_ended;
  g_mutex_unlock (&watch->lock);
  if (!has_ended)
    return; // it waits for libvirt, and ends with the process
  g_thread_join (watch->thread);
  desktop_table_free (watch->table);
  boots_free (watch->boots);
  g_mutex_clear (&watch->lock);
  g_cond_clear (&watch->ended);
  g_free (watch->trouble);
  g_free (watch);
}

void
desktop_watch_poke (DesktopWatch *watch, const char *name)
{
  desktop_table_poke (watch->table, name);
}

void
desktop_watch_describe (DesktopWatch *watch, const char *name, JsonObject *pin)
{
  desktop_table_describe (watch->table, name, pin);
}

void
desktop_watch_add_layer (DesktopWatch *watch, const char *name, ControlReply *reply)
{
  desktop_table_add_layer (watch->table, name, reply);
}

char *
desktop_watch_trouble (DesktopWatch *watch)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&watch->lock);

  return g_strdup (watch->trouble);
}
