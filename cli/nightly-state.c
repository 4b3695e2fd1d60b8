// SPDX-License-Identifier: GPL-2.0-or-later
// What the nights have done so far, so that one that was killed is gone on with, and nothing is
// done twice.

#include "nightly-state.h"

#include <string.h>

#include <gio/gio.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"

#define FORMAT         "gild-nightly-1"
#define STATE_SIZE_MAX (1 << 20)
#define IMAGES_MAX     10000
#define DAY_LENGTH     10 // of "2026-11-26"
#define STEP_MAX       20

static const char *const STEP_NAMES[] = { "edit", "check", "promote", "ended" };

static void
entry_free (gpointer data)
{
  NightlyEntry *entry = data;

  g_free (entry->image);
  g_free (entry);
}

static NightlyState *
state_new (void)
{
  NightlyState *state = g_new0 (NightlyState, 1);

  state->scheduled = g_strdup ("");
  state->entries = g_ptr_array_new_with_free_func (entry_free);
  return state;
}

void
nightly_state_free (NightlyState *state)
{
  if (!state)
    return;
  g_free (state->scheduled);
  g_ptr_array_unref (state->entries);
  g_free (state);
}

static NightlyEntry *
find (const NightlyState *state, const char *image)
{
  for (guint i = 0; i < state->entries->len; i++)
    {
      NightlyEntry *entry = state->entries->pdata[i];
      if (g_str_equal (entry->image, image))
        return entry;
    }
  return NULL;
}

NightlyEntry *
nightly_state_entry (NightlyState *state, const char *image)
{
  NightlyEntry *entry = find (state, image);

  if (!entry)
    {
      entry = g_new0 (NightlyEntry, 1);
      entry->image = g_strdup (image);
      entry->step = NIGHTLY_STEP_ENDED;
      g_ptr_array_add (state->entries, entry);
    }
  return entry;
}

static gboolean
is_null (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  return node && JSON_NODE_HOLDS_NULL (node);
}

/* MEMBER of OBJECT, a version's number or null.  */
static gboolean
read_version (JsonObject *object, const char *member, guint *version, GError **error)
{
  guint64 value = 0;

  if (!is_null (object, member) && !json_read_uint (object, member, 1, VERSION_MAX, &value, error))
    return FALSE;
  *version = (guint)value;
  return TRUE;
}

static gboolean
read_step (JsonObject *object, NightlyStep *step, GError **error)
{
  const char *name = json_read_string (object, "step", STEP_MAX, error);

  for (gsize i = 0; name && i < G_N_ELEMENTS (STEP_NAMES); i++)
    if (g_str_equal (name, STEP_NAMES[i]))
      {
        *step = (NightlyStep)i;
        return TRUE;
      }
  return name && fail (error, "\"step\": '%s' is none", name);
}

static gboolean
read_entry (NightlyState *state, JsonNode *node, GError **error)
{
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *image = object ? json_read_string (object, "image", 200, error) : NULL;

  if (!object)
    return fail (error, "\"images\" has what is no object");
  if (!image || !image_name_check (image, error))
    return FALSE;
  if (find (state, image))
    return fail (error, "\"images\" has %s twice", image);
  NightlyEntry *entry = nightly_state_entry (state, image);
  return read_step (object, &entry->step, error)
         && read_version (object, "before", &entry->before, error)
         && read_version (object, "version", &entry->version, error);
}

NightlyState *
nightly_state_from_json (const char *text, gsize size, GError **error)
{
  g_autoptr (NightlyState) state = state_new ();
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonObject *object = root ? json_node_get_object (root) : NULL;
  JsonArray *images = object ? json_read_array (object, "images", IMAGES_MAX, error) : NULL;
  const char *day = "";

  if (!images
      || (!is_null (object, "scheduled")
          && !(day = json_read_string (object, "scheduled", DAY_LENGTH, error))))
    return NULL;
  g_free (state->scheduled);
  state->scheduled = g_strdup (day);
  for (guint i = 0; i < json_array_get_length (images); i++)
    if (!read_entry (state, json_array_get_element (images, i), error))
      return NULL;
  return g_steal_pointer (&state);
}

static void
set_version (JsonObject *object, const char *member, guint version)
{
  if (version)
    json_object_set_int_member (object, member, version);
  else
    json_object_set_null_member (object, member);
}

char *
nightly_state_to_json (const NightlyState *state)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *images = json_array_new ();

  for (guint i = 0; i < state->entries->len; i++)
    {
      const NightlyEntry *entry = state->entries->pdata[i];
      JsonObject *image = json_object_new ();
      json_object_set_string_member (image, "image", entry->image);
      json_object_set_string_member (image, "step", STEP_NAMES[entry->step]);
      set_version (image, "before", entry->before);
      set_version (image, "version", entry->version);
      json_array_add_object_element (images, image);
    }
  json_object_set_string_member (object, "format", FORMAT);
  if (*state->scheduled)
    json_object_set_string_member (object, "scheduled", state->scheduled);
  else
    json_object_set_null_member (object, "scheduled");
  json_object_set_array_member (object, "images", images);
  json_node_take_object (root, object);
  return json_write (root);
}

static char *
state_path (const Config *config)
{
  return config_state_path (config, "nightly", "state.json", NULL);
}

NightlyState *
nightly_state_load (const Config *config, GError **error)
{
  g_autofree char *path = state_path (config);
  g_autoptr (GError) cause = NULL;
  gsize size;
  g_autofree char *text = file_read (path, STATE_SIZE_MAX, &size, &cause);

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return state_new ();
  NightlyState *state = text ? nightly_state_from_json (text, size, &cause) : NULL;
  if (!state)
    fail (error, "%s: %s; remove it, and the next night begins anew", path, cause->message);
  return state;
}

gboolean
nightly_state_save (const Config *config, const NightlyState *state, GError **error)
{
  g_autofree char *path = state_path (config);
  g_autofree char *json = nightly_state_to_json (state);

  return file_write_durably (path, json, strlen (json), 0644, error);
}

NightlyStep
nightly_first_step (const NightlyEntry *entry, guint production, guint waiting, guint parent,
                    gboolean was_promoted)
{
  // Nothing waits, or production is past it: there is nothing to go on with.
  if (waiting == 0 || waiting == production || was_promoted || parent != production)
    return NIGHTLY_STEP_EDIT;
  if (entry->step == NIGHTLY_STEP_EDIT && waiting == entry->before)
    return NIGHTLY_STEP_EDIT;
  if (entry->step == NIGHTLY_STEP_ENDED && waiting == entry->version)
    return NIGHTLY_STEP_EDIT;
  if (entry->step == NIGHTLY_STEP_PROMOTE && waiting == entry->version)
    return NIGHTLY_STEP_PROMOTE;
  return NIGHTLY_STEP_CHECK;
}
