// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks on the wire: what a host asks another for, and the records of the answer.
//
// POST /store has the body
//   { "format": "gild-want-1", "forward": boolean, "ahead": boolean, "chunks": [hex, …] }
// where "ahead" may be left out, for false, and the answer (application/vnd.gild.chunks-1) is a
// sequence of records, in whatever order the chunks become ready: 32 bytes of id, 32 bits of
// length, little-endian, and then as many bytes, the chunk as the store keeps it (one zstd frame).
// Two lengths stand for themselves: 0 is "this host cannot give it", 0xffffffff with an id of zeros
// is "still waiting", which keeps the reader from leaving a host that is about to answer.  The
// answer ends when each chunk was answered once.
#pragma once

#include "qcow-backing/chunk-frame.h"
#include "qcow-backing/chunk-id.h"

#define CHUNK_STREAM_TYPE         "application/vnd.gild.chunks-1"
#define CHUNK_STREAM_HEAD_SIZE    (CHUNK_ID_SIZE + 4u)
#define CHUNK_STREAM_WAITING_MSEC 250 // a writer that has nothing else says so as often
#define CHUNK_WANT_MAX            256u
#define CHUNK_WANT_SIZE_MAX       (32u << 10) // bytes of a body

/* The head of a record.  With FRAME_SIZE 0 the record is that ID cannot be given, with ID NULL it
   is "still waiting".  */
void chunk_stream_write_head (const ChunkId *id, guint32 frame_size,
                              guint8 head[CHUNK_STREAM_HEAD_SIZE]);

typedef enum
{
  CHUNK_RECORD_FRAME,   // a frame, which nobody has looked at yet
  CHUNK_RECORD_NONE,    // the host cannot give that chunk
  CHUNK_RECORD_WAITING, // "still waiting": no chunk is meant
} ChunkRecordKind;

/* Take one record, whole.  ID is NULL for CHUNK_RECORD_WAITING; FRAME, which is gone when this
   returns, is NULL for all but CHUNK_RECORD_FRAME and else has from 1 to CHUNK_FRAME_SIZE_MAX
   bytes. Nobody has checked that ID was asked for, nor that it comes once.  With FALSE, and an
   error, reading ends.  */
typedef gboolean (*ChunkRecordFunc) (ChunkRecordKind kind, const ChunkId *id, const guint8 *frame,
                                     gsize frame_size, gpointer data, GError **error);

typedef struct ChunkStreamReader ChunkStreamReader;

ChunkStreamReader *chunk_stream_reader_new (ChunkRecordFunc func, gpointer data);
void chunk_stream_reader_free (ChunkStreamReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkStreamReader, chunk_stream_reader_free)

/* Read the next SIZE bytes of the answer, and give each record that they complete to the reader's
   function.  Keeps at most one record.  Fails where the bytes are no records, and where the
   function does; the reader then takes no more.  */
gboolean chunk_stream_reader_add (ChunkStreamReader *reader, const guint8 *bytes, gsize size,
                                  GError **error);

/* At the answer's end: whether it ends behind a record, and not in one.  */
gboolean chunk_stream_reader_end (const ChunkStreamReader *reader, GError **error);

/* What a host wants.  */
typedef struct
{
  gboolean forward; // fetch what is missing
  gboolean ahead;   // nobody waits for it yet
  guint n_chunks;   // from 1 to CHUNK_WANT_MAX
  ChunkId chunks[CHUNK_WANT_MAX];
} ChunkWant;

/* The body that asks for WANT, owned by the caller.  */
char *chunk_want_to_json (const ChunkWant *want);

/* Read the body of SIZE bytes at TEXT.  */
gboolean chunk_want_from_json (const char *text, gsize size, ChunkWant *want, GError **error);
