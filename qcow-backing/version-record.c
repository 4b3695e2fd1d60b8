// SPDX-License-Identifier: GPL-2.0-or-later
// The version record: what one version of an image is, to its last byte.

#include "version-record.h"

#include <string.h>

#include "fail.h"
#include "image-name.h"
#include "index.h"
#include "json-read.h"
#include "utc-date.h"

#define FORMAT          "gild-version-1"
#define INDEX_SIZE_MAX  (G_GUINT64_CONSTANT (4) << 30)
#define INDEX_CHUNK_MAX 65536

VersionRecord *
version_record_new (void)
{
  VersionRecord *record = g_new0 (VersionRecord, 1);

  record->index_chunks = g_array_new (FALSE, FALSE, sizeof (ChunkId));
  return record;
}

void
version_record_free (VersionRecord *record)
{
  if (!record)
    return;
  g_free (record->image);
  g_array_unref (record->index_chunks);
  g_free (record->created);
  g_free (record->note);
  g_free (record);
}

static void
build_index (JsonBuilder *builder, const VersionRecord *record)
{
  char hex[CHUNK_HEX_SIZE];

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "size");
  json_builder_add_int_value (builder, (gint64)record->index_size);
  json_builder_set_member_name (builder, "sha256");
  chunk_id_to_hex (&record->index_sha256, hex);
  json_builder_add_string_value (builder, hex);
  json_builder_set_member_name (builder, "chunks");
  json_builder_begin_array (builder);
  for (guint i = 0; i < record->index_chunks->len; i++)
    {
      chunk_id_to_hex (&g_array_index (record->index_chunks, ChunkId, i), hex);
      json_builder_add_string_value (builder, hex);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

char *
version_record_to_json (const VersionRecord *record)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "format");
  json_builder_add_string_value (builder, FORMAT);
  json_builder_set_member_name (builder, "image");
  json_builder_add_string_value (builder, record->image);
  json_builder_set_member_name (builder, "version");
  json_builder_add_int_value (builder, record->version);
  json_builder_set_member_name (builder, "parent");
  if (record->parent)
    json_builder_add_int_value (builder, record->parent);
  else
    json_builder_add_null_value (builder);
  json_builder_set_member_name (builder, "virtual_size");
  json_builder_add_int_value (builder, (gint64)record->virtual_size);
  json_builder_set_member_name (builder, "chunk_size");
  json_builder_add_int_value (builder, CHUNK_SIZE);
  json_builder_set_member_name (builder, "index");
  build_index (builder, record);
  json_builder_set_member_name (builder, "data_size");
  json_builder_add_int_value (builder, (gint64)record->data_size);
  json_builder_set_member_name (builder, "new_size");
  json_builder_add_int_value (builder, (gint64)record->new_size);
  json_builder_set_member_name (builder, "created");
  json_builder_add_string_value (builder, record->created);
  json_builder_set_member_name (builder, "note");
  json_builder_add_string_value (builder, record->note);
  json_builder_end_object (builder);

  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  return json_write (root);
}

static gboolean
read_index (VersionRecord *record, JsonObject *object, GError **error)
{
  JsonObject *index = json_read_member (object, "index", error);
  JsonArray *chunks = index ? json_read_array (index, "chunks", INDEX_CHUNK_MAX, error) : NULL;
  const char *sha256 = chunks ? json_read_string (index, "sha256", 64, error) : NULL;

  if (!sha256 || !json_read_uint (index, "size", 1, INDEX_SIZE_MAX, &record->index_size, error))
    return FALSE;
  if (!chunk_id_from_hex (sha256, &record->index_sha256))
    return fail (error, "\"sha256\" is not a SHA-256");
  if (json_array_get_length (chunks) != (record->index_size + CHUNK_SIZE - 1) / CHUNK_SIZE)
    return fail (error, "\"chunks\" has not the entries that \"size\" needs");
  for (guint i = 0; i < json_array_get_length (chunks); i++)
    {
      JsonNode *node = json_array_get_element (chunks, i);
      ChunkId id;
      if (json_node_get_value_type (node) != G_TYPE_STRING
          || !chunk_id_from_hex (json_node_get_string (node), &id))
        return fail (error, "\"chunks\" has something else than a SHA-256");
      g_array_append_val (record->index_chunks, id);
    }
  return TRUE;
}

static gboolean
read_name (VersionRecord *record, JsonObject *object, GError **error)
{
  const char *image = json_read_string (object, "image", 200, error);
  guint64 version, parent = 0;

  if (!image || !image_name_check (image, error)
      || !json_read_uint (object, "version", 1, VERSION_MAX, &version, error))
    return FALSE;
  JsonNode *node = json_object_get_member (object, "parent");
  if (node && !JSON_NODE_HOLDS_NULL (node)
      && !json_read_uint (object, "parent", 1, version - 1, &parent, error))
    return FALSE;
  record->image = g_strdup (image);
  record->version = (guint)version;
  record->parent = (guint)parent;
  return TRUE;
}

static gboolean
read_sizes (VersionRecord *record, JsonObject *object, GError **error)
{
  guint64 chunk_size;

  return json_read_uint (object, "virtual_size", 1, INDEX_VIRTUAL_SIZE_MAX, &record->virtual_size,
                         error)
         && json_read_uint (object, "chunk_size", CHUNK_SIZE, CHUNK_SIZE, &chunk_size, error)
         && json_read_uint (object, "data_size", 0, record->virtual_size, &record->data_size, error)
         && json_read_uint (object, "new_size", 0, record->virtual_size, &record->new_size, error);
}

VersionRecord *
version_record_from_json (const char *text, gsize size, GError **error)
{
  g_autoptr (VersionRecord) record = version_record_new ();
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonObject *object = root ? json_node_get_object (root) : NULL;

  if (!object || !read_name (record, object, error) || !read_sizes (record, object, error)
      || !read_index (record, object, error))
    return NULL;
  const char *created = json_read_string (object, "created", UTC_DATE_SIZE_MAX, error);
  const char *note = created ? json_read_string (object, "note", RECORD_NOTE_MAX, error) : NULL;
  if (!note)
    return NULL;
  record->created = g_strdup (created);
  record->note = g_strdup (note);
  return g_steal_pointer (&record);
}
