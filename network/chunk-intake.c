// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that have come: checked and written by threads of their own.

#include "chunk-intake.h"

#include <string.h>

#include "qcow-backing/chunk-frame.h"
#include "qcow-backing/fail.h"

#define THREADS_MAX 2

struct ChunkIntake
{
  IncomingChunks *incoming;
  ChunkIntakeFunc func;
  gpointer data;
  GThreadPool *pool; // of Frame *
  gsize pending;     // atomic
};

typedef struct
{
  ChunkId id;
  guint tag;
  gsize size;
  guint8 bytes[];
} Frame;

/* Whether FRAME is what its id says.  */
static gboolean
check_frame (const Frame *frame, GError **error)
{
  guint8 buffer[CHUNK_SIZE];
  gsize size = sizeof buffer;

  if (!chunk_frame_decode (frame->bytes, frame->size, buffer, &size, error))
    return FALSE;
  ChunkId actual = chunk_id_of (buffer, size);
  return chunk_id_equal (&actual, &frame->id) || fail (error, "its SHA-256 is another");
}

static void
take_frame (gpointer data, gpointer user_data)
{
  g_autofree Frame *frame = data;
  ChunkIntake *intake = user_data;
  ChunkIntakeResult result = CHUNK_IS_BAD;
  g_autoptr (GError) error = NULL;

  if (check_frame (frame, &error))
    result = incoming_chunks_add (intake->incoming, &frame->id, frame->bytes, frame->size, &error)
                 ? CHUNK_IS_TAKEN
                 : CHUNK_NOT_WRITTEN;
  __atomic_fetch_sub (&intake->pending, frame->size, __ATOMIC_RELAXED);
  intake->func (&frame->id, frame->size, frame->tag, result, error, intake->data);
}

ChunkIntake *
chunk_intake_new (IncomingChunks *incoming, ChunkIntakeFunc func, gpointer data, GError **error)
{
  g_autoptr (ChunkIntake) intake = g_new0 (ChunkIntake, 1);

  intake->incoming = incoming;
  intake->func = func;
  intake->data = data;
  intake->pool = g_thread_pool_new (take_frame, intake, THREADS_MAX, TRUE, error);
  return intake->pool ? g_steal_pointer (&intake) : NULL;
}

void
chunk_intake_free (ChunkIntake *intake)
{
  if (!intake)
    return;
  if (intake->pool)
    g_thread_pool_free (intake->pool, FALSE, TRUE);
  g_free (intake);
}

void
chunk_intake_add (ChunkIntake *intake, const ChunkId *id, const guint8 *bytes, gsize size,
                  guint tag)
{
  Frame *frame = g_malloc (sizeof *frame + size);

  *frame = (Frame){ .id = *id, .tag = tag, .size = size };
  memcpy (frame->bytes, bytes, size);
  __atomic_fetch_add (&intake->pending, size, __ATOMIC_RELAXED);
  g_thread_pool_push (intake->pool, frame, NULL);
}

gsize
chunk_intake_pending (const ChunkIntake *intake)
{
  return __atomic_load_n (&intake->pending, __ATOMIC_RELAXED);
}
