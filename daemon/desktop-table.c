// SPDX-License-Identifier: GPL-2.0-or-later
// The desktops that are followed, by name: what the watch's thread and the control socket share.

#include "desktop-table.h"

#include "domain-pin.h"
#include "qcow-backing/fail.h"
#include "watched-desktop.h"

struct DesktopTable
{
  const Config *config;
  GMutex lock;          // guards what follows
  GHashTable *desktops; // name -> Entry *
};

/* A desktop that runs.  Only the thread changes the table.  */
typedef struct
{
  DesktopTable *table;
  WatchedDesktop *desktop; // the thread's own
  int timer;
  gboolean is_woken;         // since the last look began; guarded by the lock
  DesktopReport report;      // guarded by the lock
  ControlReply *layer_reply; // to who waits for a layer, else NULL; guarded by the lock
} Entry;

static void
entry_free (gpointer data)
{
  Entry *entry = data;
  g_autoptr (GError) error = NULL;

  if (entry->layer_reply)
    {
      fail (&error, "the desktop has been shut down meanwhile, or libvirt is gone");
      control_reply_send (entry->layer_reply, NULL, error);
    }
  virEventRemoveTimeout (entry->timer);
  watched_desktop_free (entry->desktop);
  g_free (entry->report.notice);
  g_free (entry);
}

DesktopTable *
desktop_table_new (const Config *config)
{
  DesktopTable *table = g_new0 (DesktopTable, 1);

  table->config = config;
  table->desktops = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  g_mutex_init (&table->lock);
  return table;
}

void
desktop_table_free (DesktopTable *table)
{
  if (!table)
    return;
  g_hash_table_unref (table->desktops);
  g_mutex_clear (&table->lock);
  g_free (table);
}

/* libvirt frees nothing of ours.  */
static void
free_nothing (void *data)
{
}

/* Have the desktop looked at next, and libvirt asked about it.  With the lock held.  */
static void
wake (Entry *entry)
{
  entry->is_woken = TRUE;
  virEventUpdateTimeout (entry->timer, 0);
}

static gboolean
take_wake (Entry *entry, ControlReply **layer_reply)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&entry->table->lock);
  gboolean is_woken = entry->is_woken;

  entry->is_woken = FALSE;
  *layer_reply = g_steal_pointer (&entry->layer_reply);
  return is_woken;
}

static void
add_layer (Entry *entry, ControlReply *reply)
{
  g_autoptr (GError) error = NULL;
  JsonObject *answer = NULL;
  guint layers;

  if (watched_desktop_add_layer (entry->desktop, &layers, &error))
    {
      answer = json_object_new ();
      json_object_set_int_member (answer, "layers", layers);
    }
  control_reply_send (reply, answer, error);
}

static void
look (int timer, void *data)
{
  Entry *entry = data;
  ControlReply *layer_reply;
  gboolean is_woken = take_wake (entry, &layer_reply);

  if (layer_reply)
    add_layer (entry, layer_reply);
  int next = watched_desktop_look (entry->desktop, is_woken);
  DesktopReport report = watched_desktop_report (entry->desktop);

  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&entry->table->lock);
  virEventUpdateTimeout (timer, entry->is_woken ? 0 : next);
  g_free (entry->report.notice);
  entry->report = report;
}

void
desktop_table_add (DesktopTable *table, virDomainPtr domain)
{
  const char *name = virDomainGetName (domain);
  Pin *pin = domain_pin (table->config, domain);

  if (!pin)
    return;
  Entry *entry = g_new0 (Entry, 1);
  entry->table = table;
  entry->desktop = watched_desktop_new (table->config, domain, pin);
  entry->timer = virEventAddTimeout (0, look, entry, free_nothing);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&table->lock);
  g_hash_table_replace (table->desktops, g_strdup (name), entry);
}

void
desktop_table_remove (DesktopTable *table, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&table->lock);

  g_hash_table_remove (table->desktops, name);
}

void
desktop_table_clear (DesktopTable *table)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&table->lock);

  g_hash_table_remove_all (table->desktops);
}

gboolean
desktop_table_has (DesktopTable *table, const char *name)
{
  return g_hash_table_contains (table->desktops, name);
}

void
desktop_table_has_grown (DesktopTable *table, const char *name)
{
  Entry *entry = g_hash_table_lookup (table->desktops, name);

  if (!entry)
    return;
  watched_desktop_has_grown (entry->desktop);
  virEventUpdateTimeout (entry->timer, 0);
}

void
desktop_table_poke (DesktopTable *table, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&table->lock);
  Entry *entry = g_hash_table_lookup (table->desktops, name);

  if (entry)
    wake (entry);
}

void
desktop_table_describe (DesktopTable *table, const char *name, JsonObject *pin)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&table->lock);
  const Entry *entry = g_hash_table_lookup (table->desktops, name);

  if (!entry)
    return;
  const DesktopReport *report = &entry->report;
  json_object_set_string_member (pin, "condition", desktop_condition_name (report->condition));
  if (report->notice)
    json_object_set_string_member (pin, "notice", report->notice);
  else
    json_object_set_null_member (pin, "notice");
  json_object_set_int_member (pin, "spill_used", (gint64)report->spill_used);
  json_object_set_int_member (pin, "spill_limit", (gint64)report->spill_limit);
}

void
desktop_table_add_layer (DesktopTable *table, const char *name, ControlReply *reply)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&table->lock);
  Entry *entry = g_hash_table_lookup (table->desktops, name);
  g_autoptr (GError) error = NULL;

  if (entry && !entry->layer_reply)
    {
      entry->layer_reply = reply;
      wake (entry);
      return;
    }
  if (entry)
    fail (&error, "%s: another copy of it begins just now; try again", name);
  else
    fail_code (&error, G_IO_ERROR_NOT_FOUND,
               "there is no desktop %s that runs: `gild desktops` lists them", name);
  control_reply_send (reply, NULL, error);
}
