// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks on the wire: what a host asks another for, and the records of the answer.

#include "chunk-stream.h"

#include <string.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/json-read.h"

#define WAITING 0xffffffffu

struct ChunkStreamReader
{
  ChunkRecordFunc func;
  gpointer data;
  gboolean failed;
  gsize size; // bytes of the record that has begun
  guint8 record[CHUNK_STREAM_HEAD_SIZE + CHUNK_FRAME_SIZE_MAX];
};

void
chunk_stream_write_head (const ChunkId *id, guint32 frame_size, guint8 head[CHUNK_STREAM_HEAD_SIZE])
{
  guint32 length = GUINT32_TO_LE (id ? frame_size : WAITING);

  if (id)
    memcpy (head, id->bytes, CHUNK_ID_SIZE);
  else
    memset (head, 0, CHUNK_ID_SIZE);
  memcpy (head + CHUNK_ID_SIZE, &length, sizeof length);
}

ChunkStreamReader *
chunk_stream_reader_new (ChunkRecordFunc func, gpointer data)
{
  ChunkStreamReader *reader = g_new (ChunkStreamReader, 1);

  reader->func = func;
  reader->data = data;
  reader->failed = FALSE;
  reader->size = 0;
  return reader;
}

void
chunk_stream_reader_free (ChunkStreamReader *reader)
{
  g_free (reader);
}

/* The kind of the record that starts with HEAD, and its whole size.  */
static gboolean
read_head (const guint8 *head, ChunkRecordKind *kind, gsize *record_size, GError **error)
{
  static const guint8 NO_ID[CHUNK_ID_SIZE];
  guint32 length;

  memcpy (&length, head + CHUNK_ID_SIZE, sizeof length);
  length = GUINT32_FROM_LE (length);
  *record_size = CHUNK_STREAM_HEAD_SIZE;
  *kind = length == 0 ? CHUNK_RECORD_NONE : CHUNK_RECORD_WAITING;
  if (length == 0)
    return TRUE;
  if (length == WAITING)
    return memcmp (head, NO_ID, CHUNK_ID_SIZE) == 0
           || fail (error, "a record that says \"still waiting\" has a chunk's id");
  if (length > CHUNK_FRAME_SIZE_MAX)
    return fail (error, "a record of %u bytes is longer than any chunk", length);
  *kind = CHUNK_RECORD_FRAME;
  *record_size += length;
  return TRUE;
}

static gboolean
give_record (ChunkStreamReader *reader, const guint8 *record, ChunkRecordKind kind, gsize size,
             GError **error)
{
  gboolean is_frame = kind == CHUNK_RECORD_FRAME;
  ChunkId id;

  memcpy (id.bytes, record, CHUNK_ID_SIZE);
  return reader->func (kind, kind == CHUNK_RECORD_WAITING ? NULL : &id,
                       is_frame ? record + CHUNK_STREAM_HEAD_SIZE : NULL,
                       is_frame ? size - CHUNK_STREAM_HEAD_SIZE : 0, reader->data, error);
}

/* Move bytes from *BYTES to the record that has begun until it has WANTED of them; whether it has.
 */
static gboolean
gather (ChunkStreamReader *reader, gsize wanted, const guint8 **bytes, gsize *size)
{
  gsize count = reader->size < wanted ? MIN (wanted - reader->size, *size) : 0;

  if (count > 0)
    memcpy (reader->record + reader->size, *bytes, count);
  reader->size += count;
  *bytes += count;
  *size -= count;
  return reader->size >= wanted;
}

/* Read one record, or what there is of it; *SIZE becomes 0 where more is needed.  */
static gboolean
read_record (ChunkStreamReader *reader, const guint8 **bytes, gsize *size, GError **error)
{
  ChunkRecordKind kind;
  gsize record_size;

  // A record that lies whole in these bytes, as most do, is not copied.
  if (reader->size == 0 && *size >= CHUNK_STREAM_HEAD_SIZE)
    {
      const guint8 *record = *bytes;
      if (!read_head (record, &kind, &record_size, error))
        return FALSE;
      if (*size >= record_size)
        {
          *bytes += record_size;
          *size -= record_size;
          return give_record (reader, record, kind, record_size, error);
        }
    }
  if (!gather (reader, CHUNK_STREAM_HEAD_SIZE, bytes, size))
    return TRUE;
  if (!read_head (reader->record, &kind, &record_size, error))
    return FALSE;
  if (!gather (reader, record_size, bytes, size))
    return TRUE;
  reader->size = 0;
  return give_record (reader, reader->record, kind, record_size, error);
}

gboolean
chunk_stream_reader_add (ChunkStreamReader *reader, const guint8 *bytes, gsize size, GError **error)
{
  if (reader->failed)
    return fail (error, "what came before could not be read");
  while (size > 0 && !reader->failed)
    reader->failed = !read_record (reader, &bytes, &size, error);
  return !reader->failed;
}

gboolean
chunk_stream_reader_end (const ChunkStreamReader *reader, GError **error)
{
  return (!reader->failed && reader->size == 0) || fail (error, "the answer ends within a record");
}

char *
chunk_want_to_json (const ChunkWant *want)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (
      text, "{\"format\": \"gild-want-1\", \"forward\": %s, \"ahead\": %s, \"chunks\": [",
      want->forward ? "true" : "false", want->ahead ? "true" : "false");
  for (guint i = 0; i < want->n_chunks; i++)
    {
      char hex[CHUNK_HEX_SIZE];
      chunk_id_to_hex (&want->chunks[i], hex);
      g_string_append_printf (text, "%s\"%s\"", i > 0 ? ", " : "", hex);
    }
  g_string_append (text, "]}\n");
  return g_string_free (text, FALSE);
}

/* Read the id that element I of ARRAY must be.  */
static gboolean
read_id (JsonArray *array, guint i, ChunkId *id, GError **error)
{
  JsonNode *node = json_array_get_element (array, i);

  return (json_node_get_value_type (node) == G_TYPE_STRING
          && chunk_id_from_hex (json_node_get_string (node), id))
         || fail (error, "entry %u of \"chunks\" is not a chunk's id", i);
}

gboolean
chunk_want_from_json (const char *text, gsize size, ChunkWant *want, GError **error)
{
  g_autoptr (JsonNode) node = NULL;

  if (size > CHUNK_WANT_SIZE_MAX)
    return fail (error, "it is larger than %u bytes", CHUNK_WANT_SIZE_MAX);
  node = json_read_object (text, size, "gild-want-1", error);
  if (!node)
    return FALSE;
  JsonObject *object = json_node_get_object (node);
  JsonArray *chunks = json_read_array (object, "chunks", CHUNK_WANT_MAX, error);
  want->ahead = FALSE; // so it was before there was such a member
  if (!chunks || !json_read_boolean (object, "forward", &want->forward, error)
      || (json_object_has_member (object, "ahead")
          && !json_read_boolean (object, "ahead", &want->ahead, error)))
    return FALSE;
  want->n_chunks = json_array_get_length (chunks);
  if (want->n_chunks == 0)
    return fail (error, "\"chunks\" is empty");
  for (guint i = 0; i < want->n_chunks; i++)
    if (!read_id (chunks, i, &want->chunks[i], error))
      return FALSE;
  return TRUE;
}
