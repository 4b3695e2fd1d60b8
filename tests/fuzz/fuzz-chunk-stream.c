// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks from another host: what the records say does not depend on the pieces that they come in.
#include "fuzz.h"

#include <string.h>

#include "network/chunk-stream.h"

/* Write the record down again.  */
static gboolean
copy (ChunkRecordKind kind, const ChunkId *id, const guint8 *frame, gsize frame_size, gpointer data,
      GError **error)
{
  guint8 head[CHUNK_STREAM_HEAD_SIZE];

  g_assert_true ((kind == CHUNK_RECORD_WAITING) == (id == NULL));
  g_assert_true ((kind == CHUNK_RECORD_FRAME) == (frame != NULL));
  g_assert_true (!frame || (frame_size >= 1 && frame_size <= CHUNK_FRAME_SIZE_MAX));
  chunk_stream_write_head (id, (guint32)frame_size, head);
  g_byte_array_append (data, head, sizeof head);
  if (frame)
    g_byte_array_append (data, frame, (guint)frame_size);
  return TRUE;
}

static GByteArray *
receive (const guint8 *data, gsize size, gsize piece, GError **error)
{
  g_autoptr (GByteArray) records = g_byte_array_new ();
  g_autoptr (ChunkStreamReader) reader = chunk_stream_reader_new (copy, records);

  for (gsize at = 0; at < size; at += piece)
    if (!chunk_stream_reader_add (reader, data + at, MIN (piece, size - at), error))
      return NULL;
  return chunk_stream_reader_end (reader, error) ? g_steal_pointer (&records) : NULL;
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  static const gsize PIECES[] = { 1, 7, CHUNK_STREAM_HEAD_SIZE, 1000 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) records = receive (data, size, MAX (size, 1), &error);

  fuzz_check_result (records, error);
  if (records)
    g_assert_cmpmem (records->data, records->len, data, size);
  for (gsize i = 0; i < G_N_ELEMENTS (PIECES); i++)
    {
      g_autoptr (GError) piece_error = NULL;
      g_autoptr (GByteArray) in_pieces = receive (data, size, PIECES[i], &piece_error);
      g_assert_cmpstr (error ? error->message : NULL, ==,
                       piece_error ? piece_error->message : NULL);
      g_assert_true (!records == !in_pieces);
    }
  return records != NULL;
}
