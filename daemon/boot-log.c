// SPDX-License-Identifier: GPL-2.0-or-later
// What this host counts of its desktops' boots: STATE/images/boots.json.

#include "boot-log.h"

#include <string.h>

#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/utc-date.h"

#define FILE_SIZE_MAX (4u << 20)
#define TEXT_MAX      200

static const char *const STATES[] = {
  [BOOT_STARTING] = "starting", [BOOT_UP] = "up", [BOOT_LATE] = "late"
};

typedef struct
{
  char *name, *since;
  GPtrArray *refs; // of char *
  BootState state;
} Boot;

struct BootLog
{
  char *path;
  GPtrArray *versions; // of BootCounts *
  GPtrArray *running;  // of Boot *
};

static void
boot_free (gpointer data)
{
  Boot *boot = data;

  g_free (boot->name);
  g_free (boot->since);
  g_ptr_array_unref (boot->refs);
  g_free (boot);
}

static Boot *
boot_new (const char *name, const char *since)
{
  Boot *boot = g_new0 (Boot, 1);

  boot->name = g_strdup (name);
  boot->since = g_strdup (since);
  boot->refs = g_ptr_array_new_with_free_func (g_free);
  return boot;
}

static Boot *
find (const BootLog *log, const char *name)
{
  for (guint i = 0; i < log->running->len; i++)
    if (g_str_equal (((const Boot *)log->running->pdata[i])->name, name))
      return log->running->pdata[i];
  return NULL;
}

static gboolean
read_refs (Boot *boot, JsonObject *object)
{
  JsonArray *refs = json_read_array (object, "refs", DESKTOP_DISKS_MAX, NULL);

  for (guint i = 0; refs && i < json_array_get_length (refs); i++)
    {
      JsonNode *node = json_array_get_element (refs, i);
      g_autofree char *image = NULL;
      guint version;
      if (json_node_get_value_type (node) != G_TYPE_STRING
          || !image_ref_parse (json_node_get_string (node), &image, &version, NULL))
        return FALSE;
      g_ptr_array_add (boot->refs, g_strdup (json_node_get_string (node)));
    }
  return refs != NULL;
}

static gboolean
read_boot (BootLog *log, JsonNode *node)
{
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *name = object ? json_read_string (object, "name", TEXT_MAX, NULL) : NULL;
  const char *since = name ? json_read_string (object, "since", UTC_DATE_SIZE_MAX, NULL) : NULL;
  const char *state = since ? json_read_string (object, "state", TEXT_MAX, NULL) : NULL;

  if (!state || !desktop_name_check (name, NULL))
    return FALSE;
  Boot *boot = boot_new (name, since);
  g_ptr_array_add (log->running, boot);
  for (gsize i = 0; i < G_N_ELEMENTS (STATES); i++)
    if (g_str_equal (state, STATES[i]))
      boot->state = (BootState)i;
  return read_refs (boot, object);
}

/* Whether the file could be read, into LOG.  */
static gboolean
load (BootLog *log)
{
  gsize size;
  g_autofree char *text = file_read (log->path, FILE_SIZE_MAX, &size, NULL);
  g_autoptr (JsonNode) root = text ? json_read_object (text, size, BOOT_COUNTS_FORMAT, NULL) : NULL;
  JsonObject *object = root ? json_node_get_object (root) : NULL;
  JsonArray *versions = object ? json_read_array (object, "versions", BOOT_COUNTS_MAX, NULL) : NULL;
  JsonArray *running = versions ? json_read_array (object, "running", PINS_MAX, NULL) : NULL;
  GPtrArray *counts = running ? boot_counts_from_json (versions, NULL) : NULL;

  if (!counts)
    return FALSE;
  g_ptr_array_unref (log->versions);
  log->versions = counts;
  for (guint i = 0; i < json_array_get_length (running); i++)
    if (!read_boot (log, json_array_get_element (running, i)))
      return FALSE;
  return TRUE;
}

BootLog *
boot_log_open (const Config *config)
{
  BootLog *log = g_new0 (BootLog, 1);

  log->path = config_state_path (config, "images", "boots.json", NULL);
  log->versions = boot_counts_list_new ();
  log->running = g_ptr_array_new_with_free_func (boot_free);
  if (!load (log))
    {
      g_ptr_array_set_size (log->running, 0);
      g_ptr_array_set_size (log->versions, 0);
    }
  return log;
}

void
boot_log_free (BootLog *log)
{
  if (!log)
    return;
  g_free (log->path);
  g_ptr_array_unref (log->versions);
  g_ptr_array_unref (log->running);
  g_free (log);
}

static JsonObject *
boot_to_json (const Boot *boot)
{
  JsonObject *object = json_object_new ();
  JsonArray *refs = json_array_new ();

  for (guint i = 0; i < boot->refs->len; i++)
    json_array_add_string_element (refs, boot->refs->pdata[i]);
  json_object_set_string_member (object, "name", boot->name);
  json_object_set_string_member (object, "since", boot->since);
  json_object_set_array_member (object, "refs", refs);
  json_object_set_string_member (object, "state", STATES[boot->state]);
  return object;
}

static void
save (const BootLog *log)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GError) error = NULL;
  JsonObject *object = json_object_new ();
  JsonArray *running = json_array_new ();

  for (guint i = 0; i < log->running->len; i++)
    json_array_add_object_element (running, boot_to_json (log->running->pdata[i]));
  json_object_set_string_member (object, "format", BOOT_COUNTS_FORMAT);
  json_object_set_array_member (object, "versions", boot_counts_to_json (log->versions));
  json_object_set_array_member (object, "running", running);
  json_node_take_object (root, object);
  g_autofree char *text = json_write (root);
  if (!file_write_durably (log->path, text, strlen (text), 0640, &error))
    g_message ("how desktops come up is not noted: %s", error->message);
}

/* The counts of REF, which become the newest if IS_START.  */
static BootCounts *
counts_of (BootLog *log, const char *ref, gboolean is_start)
{
  BootCounts *counts = boot_counts_find (log->versions, ref);
  guint at;

  if (counts && !is_start)
    return counts;
  if (counts && g_ptr_array_find (log->versions, counts, &at))
    g_ptr_array_steal_index (log->versions, at);
  else
    counts = boot_counts_new (ref);
  if (log->versions->len == BOOT_COUNTS_MAX)
    g_ptr_array_remove_index (log->versions, 0);
  g_ptr_array_add (log->versions, counts);
  return counts;
}

static guint *
counter_of_state (BootCounts *counts, BootState state)
{
  return state == BOOT_UP ? &counts->up : state == BOOT_LATE ? &counts->late : NULL;
}

/* Count BOOT for its versions as in STATE and no longer in the one that it was in.  */
static void
move (BootLog *log, Boot *boot, BootState state)
{
  for (guint i = 0; i < boot->refs->len; i++)
    {
      BootCounts *counts = counts_of (log, boot->refs->pdata[i], FALSE);
      guint *old = counter_of_state (counts, boot->state);
      guint *new = counter_of_state (counts, state);
      if (old)
        *old -= *old > 0;
      if (new)
        *new += 1;
    }
  boot->state = state;
}

/* Take BOOT off the list, as ended and with CRASHED crashes; the caller saves.  */
static void
finish (BootLog *log, Boot *boot, guint crashed)
{
  gboolean was_up = boot->state == BOOT_UP;

  for (guint i = 0; i < boot->refs->len; i++)
    {
      BootCounts *counts = counts_of (log, boot->refs->pdata[i], FALSE);
      if (boot->state == BOOT_LATE)
        counts->late -= counts->late > 0;
      counts->gone += !was_up && !crashed;
      counts->crashes += crashed;
    }
  g_ptr_array_remove (log->running, boot);
}

BootState
boot_log_start (BootLog *log, const Pin *pin)
{
  Boot *boot = find (log, pin->name);

  if (boot && g_str_equal (boot->since, pin->since))
    return boot->state;
  if (boot)
    finish (log, boot, 0);
  boot = boot_new (pin->name, pin->since);
  for (guint i = 0; i < pin->images->len; i++)
    {
      const char *ref = pin->images->pdata[i];
      if (g_ptr_array_find_with_equal_func (boot->refs, ref, g_str_equal, NULL))
        continue; // two disks of one image are one boot
      g_ptr_array_add (boot->refs, g_strdup (ref));
      counts_of (log, ref, TRUE)->started++;
    }
  g_ptr_array_add (log->running, boot);
  save (log);
  return BOOT_STARTING;
}

void
boot_log_set (BootLog *log, const char *name, BootState state)
{
  Boot *boot = find (log, name);

  if (!boot || boot->state == state)
    return;
  move (log, boot, state);
  save (log);
}

void
boot_log_forget (BootLog *log, const char *name)
{
  Boot *boot = find (log, name);

  if (!boot)
    return;
  move (log, boot, BOOT_UP);
  for (guint i = 0; i < boot->refs->len; i++)
    {
      BootCounts *counts = counts_of (log, boot->refs->pdata[i], FALSE);
      counts->started -= counts->started > 0;
      counts->up -= counts->up > 0;
    }
  save (log);
}

void
boot_log_reset (BootLog *log, const char *name)
{
  const Boot *boot = find (log, name);

  if (!boot)
    return;
  for (guint i = 0; i < boot->refs->len; i++)
    counts_of (log, boot->refs->pdata[i], FALSE)->resets++;
  save (log);
}

void
boot_log_end (BootLog *log, const char *name, gboolean has_crashed)
{
  Boot *boot = find (log, name);

  if (!boot)
    return;
  finish (log, boot, has_crashed);
  save (log);
}

void
boot_log_keep (BootLog *log, GHashTable *names)
{
  guint before = log->running->len;

  for (guint i = log->running->len; i-- > 0;)
    {
      Boot *boot = log->running->pdata[i];
      if (!g_hash_table_contains (names, boot->name))
        finish (log, boot, 0);
    }
  if (log->running->len != before)
    save (log);
}
