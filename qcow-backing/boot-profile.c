// SPDX-License-Identifier: GPL-2.0-or-later
// The boot profile of a version: which chunks its first boots have read, in that order.

#include "boot-profile.h"

#include <string.h>

#include "fail.h"
#include "image-name.h"
#include "json-read.h"

#define FORMAT       "gild-profile-1"
#define POSITION_MAX (guint32) (INDEX_VIRTUAL_SIZE_MAX / CHUNK_SIZE - 1)

BootProfile *
boot_profile_new (const char *image, guint version)
{
  BootProfile *profile = g_new0 (BootProfile, 1);

  profile->image = g_strdup (image);
  profile->version = version;
  profile->positions = g_array_new (FALSE, FALSE, sizeof (guint32));
  return profile;
}

void
boot_profile_free (BootProfile *profile)
{
  if (!profile)
    return;
  g_free (profile->image);
  g_array_unref (profile->positions);
  g_free (profile);
}

JsonObject *
boot_profile_to_object (const BootProfile *profile)
{
  JsonObject *object = json_object_new ();
  JsonArray *positions = json_array_sized_new (profile->positions->len);

  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_string_member (object, "image", profile->image);
  json_object_set_int_member (object, "version", profile->version);
  json_object_set_int_member (object, "boots", profile->boots);
  for (guint i = 0; i < profile->positions->len; i++)
    json_array_add_int_element (positions, g_array_index (profile->positions, guint32, i));
  json_object_set_array_member (object, "positions", positions);
  return object;
}

char *
boot_profile_to_json (const BootProfile *profile)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, boot_profile_to_object (profile));
  g_autofree char *text = json_to_string (node, FALSE);
  return g_strconcat (text, "\n", NULL);
}

static gboolean
read_positions (BootProfile *profile, JsonArray *array, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      gint64 number =
          json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : -1;
      if (number < 0 || number > POSITION_MAX)
        return fail (error, "\"positions\" has something else than a chunk's position");
      if (!g_hash_table_add (seen, GUINT_TO_POINTER (number)))
        return fail (error, "\"positions\" has %" G_GINT64_FORMAT " twice", number);
      guint32 position = (guint32)number;
      g_array_append_val (profile->positions, position);
    }
  return profile->positions->len > 0 || fail (error, "\"positions\" is empty");
}

BootProfile *
boot_profile_from_object (JsonObject *object, GError **error)
{
  const char *format = json_read_string (object, "format", 100, error);
  const char *image;
  guint64 version, boots;
  JsonArray *positions;

  if (!format)
    return NULL;
  if (!g_str_equal (format, FORMAT))
    {
      fail (error, "its format is \"%s\", this gild reads \"%s\"", format, FORMAT);
      return NULL;
    }
  if (!(image = json_read_string (object, "image", 200, error)) || !image_name_check (image, error)
      || !json_read_uint (object, "version", 1, VERSION_MAX, &version, error)
      || !json_read_uint (object, "boots", 0, BOOT_PROFILE_BOOTS_MAX, &boots, error)
      || !(positions = json_read_array (object, "positions", BOOT_PROFILE_POSITIONS_MAX, error)))
    return NULL;
  g_autoptr (BootProfile) profile = boot_profile_new (image, (guint)version);
  profile->boots = (guint)boots;
  return read_positions (profile, positions, error) ? g_steal_pointer (&profile) : NULL;
}

BootProfile *
boot_profile_from_json (const char *text, gsize size, GError **error)
{
  g_autoptr (JsonNode) node = NULL;

  if (size > BOOT_PROFILE_SIZE_MAX)
    {
      fail (error, "it is larger than %u bytes", BOOT_PROFILE_SIZE_MAX);
      return NULL;
    }
  node = json_read_object (text, size, NULL, error);
  return node ? boot_profile_from_object (json_node_get_object (node), error) : NULL;
}

gboolean
boot_profile_fits (const BootProfile *profile, gsize n_chunks)
{
  for (guint i = 0; i < profile->positions->len; i++)
    if (g_array_index (profile->positions, guint32, i) >= n_chunks)
      return FALSE;
  return TRUE;
}

gboolean
boot_profile_is_closed (const BootProfile *profile)
{
  return profile->boots >= BOOT_PROFILE_BOOTS_MAX;
}

void
boot_profile_merge (BootProfile *profile, const BootProfile *boot)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  GArray *positions = profile->positions;

  if (boot_profile_is_closed (profile))
    return;
  if (profile->boots == 0)
    g_array_set_size (positions, 0);
  profile->boots++;
  for (guint i = 0; i < positions->len; i++)
    g_hash_table_add (seen, GUINT_TO_POINTER (g_array_index (positions, guint32, i)));
  for (guint i = 0; i < boot->positions->len && positions->len < BOOT_PROFILE_POSITIONS_MAX; i++)
    {
      guint32 position = g_array_index (boot->positions, guint32, i);
      if (g_hash_table_add (seen, GUINT_TO_POINTER (position)))
        g_array_append_val (positions, position);
    }
}

BootProfile *
boot_profile_inherit (const BootProfile *parent, guint version, const Index *index)
{
  g_autoptr (BootProfile) profile = boot_profile_new (parent->image, version);

  for (guint i = 0; i < parent->positions->len; i++)
    {
      guint32 position = g_array_index (parent->positions, guint32, i);
      if (position < index_n_chunks (index) && !index_chunk_is_zero (index, position))
        g_array_append_val (profile->positions, position);
    }
  return profile->positions->len > 0 ? g_steal_pointer (&profile) : NULL;
}
