// SPDX-License-Identifier: GPL-2.0-or-later
// What the hook asks gildd before a desktop starts, and the answer, of which it believes nothing
// unseen.

#include "prepare-answer.h"

#include <string.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/index.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/overlay.h"

#define TEXT_MAX 4096

static void
add_disk (JsonBuilder *builder, const MetadataDisk *disk)
{
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "target");
  json_builder_add_string_value (builder, disk->target);
  json_builder_set_member_name (builder, "image");
  json_builder_add_string_value (builder, disk->image);
  json_builder_set_member_name (builder, disk->version ? "version" : "channel");
  if (disk->version)
    json_builder_add_int_value (builder, disk->version);
  else
    json_builder_add_string_value (builder, disk->channel);
  json_builder_end_object (builder);
}

JsonNode *
prepare_request (const Metadata *metadata)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "uuid");
  json_builder_add_string_value (builder, metadata->uuid);
  if (metadata->overlay_bytes)
    {
      json_builder_set_member_name (builder, "overlay");
      json_builder_add_int_value (builder, (gint64)metadata->overlay_bytes);
    }
  if (metadata->has_spill)
    {
      json_builder_set_member_name (builder, "spill");
      json_builder_add_int_value (builder, (gint64)metadata->spill_bytes);
    }
  json_builder_set_member_name (builder, "disks");
  json_builder_begin_array (builder);
  for (guint i = 0; i < metadata->disks->len; i++)
    add_disk (builder, metadata->disks->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

static void
prepare_disk_free (gpointer data)
{
  PrepareDisk *disk = data;

  g_free (disk->target);
  g_free (disk->backing);
  g_free (disk);
}

/* MEMBER of OBJECT is EXPECTED.  */
static gboolean
check_string (JsonObject *object, const char *member, const char *expected, GError **error)
{
  const char *actual = json_read_string (object, member, TEXT_MAX, error);

  if (!actual)
    return FALSE;
  if (!g_str_equal (actual, expected))
    return fail (error, "\"%s\" is \"%s\", and must be \"%s\"", member, actual, expected);
  return TRUE;
}

/* The disk of the answer that has TARGET; only one may.  */
static JsonObject *
find_disk (JsonArray *disks, const char *target, GError **error)
{
  JsonObject *found = NULL;

  for (guint i = 0; i < json_array_get_length (disks); i++)
    {
      JsonNode *node = json_array_get_element (disks, i);
      const char *actual = NULL;
      if (!JSON_NODE_HOLDS_OBJECT (node))
        fail (error, "\"disks\" has an entry that is not an object");
      else
        actual = json_read_string (json_node_get_object (node), "target", TEXT_MAX, error);
      if (!actual)
        return NULL;
      if (g_str_equal (actual, target))
        found = json_node_get_object (node);
    }
  if (!found)
    fail (error, "it is missing");
  return found;
}

static gboolean
read_disk (PrepareDisk *disk, JsonObject *object, const MetadataDisk *wanted,
           const char *nbd_socket, GError **error)
{
  guint64 first = wanted->version ? wanted->version : 1;
  guint64 last = wanted->version ? wanted->version : VERSION_MAX;
  guint64 version;

  if (!check_string (object, "image", wanted->image, error)
      || (wanted->channel && !check_string (object, "channel", wanted->channel, error))
      || !json_read_uint (object, "version", first, last, &version, error)
      || !json_read_uint (object, "virtual_size", 1, INDEX_VIRTUAL_SIZE_MAX,
                          &disk->virtual_size_bytes, error))
    return FALSE;
  disk->target = g_strdup (wanted->target);
  disk->backing = overlay_backing_uri (wanted->image, (guint)version, nbd_socket);
  return check_string (object, "backing", disk->backing, error);
}

static gboolean
read_disks (PrepareAnswer *answer, JsonObject *object, const Metadata *metadata,
            const char *nbd_socket, GError **error)
{
  JsonArray *array = json_read_array (object, "disks", DESKTOP_DISKS_MAX, error);

  if (!array)
    return FALSE;
  if (json_array_get_length (array) != metadata->disks->len)
    return fail (error, "it has %u disks, and the desktop has %u", json_array_get_length (array),
                 metadata->disks->len);
  for (guint i = 0; i < metadata->disks->len; i++)
    {
      const MetadataDisk *wanted = metadata->disks->pdata[i];
      JsonObject *found = find_disk (array, wanted->target, error);
      PrepareDisk *disk = g_new0 (PrepareDisk, 1);
      g_ptr_array_add (answer->disks, disk);
      if (!found || !read_disk (disk, found, wanted, nbd_socket, error))
        {
          g_prefix_error (error, "disk %s: ", wanted->target);
          return FALSE;
        }
    }
  return TRUE;
}

PrepareAnswer *
prepare_answer_read (JsonObject *object, const Metadata *metadata, const char *nbd_socket,
                     GError **error)
{
  g_autoptr (PrepareAnswer) answer = g_new0 (PrepareAnswer, 1);
  guint64 first = metadata->overlay_bytes ? metadata->overlay_bytes : DESKTOP_OVERLAY_MIN;
  guint64 last = metadata->overlay_bytes ? metadata->overlay_bytes : DESKTOP_SIZE_MAX;

  answer->disks = g_ptr_array_new_with_free_func (prepare_disk_free);
  if (check_string (object, "name", metadata->name, error)
      && check_string (object, "uuid", metadata->uuid, error)
      && json_read_uint (object, "overlay", first, last, &answer->overlay_bytes, error)
      && read_disks (answer, object, metadata, nbd_socket, error))
    return g_steal_pointer (&answer);
  g_prefix_error (
      error, "gildd's answer cannot be used, install one gildd and hook of the same version: ");
  return NULL;
}

void
prepare_answer_free (PrepareAnswer *answer)
{
  if (!answer)
    return;
  g_clear_pointer (&answer->disks, g_ptr_array_unref);
  g_free (answer);
}
