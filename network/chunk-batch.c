// SPDX-License-Identifier: GPL-2.0-or-later
// Many chunks that one thread wants and waits for.
//
// The fetcher calls back exactly once for each chunk, perhaps long after nobody waits any more: so
// the batch lives until the last call.

#include "chunk-batch.h"

#include "qcow-backing/fail.h"

#define LOOK_US (G_USEC_PER_SEC / 4) // at *cancelled

struct ChunkBatch
{
  gatomicrefcount references; // the thread's, and one for each chunk that is under way
  ChunkFetcher *fetcher;
  FetchUrgency urgency;
  guint deadline_seconds, window;
  const gint *cancelled;
  GMutex lock; // guards what follows
  GCond changed;
  guint under_way;
  guint failed_in_a_row;
  guint64 done_bytes;
  GError *error; // of the first chunk that failed
};

typedef struct
{
  ChunkBatch *batch;
  gsize size;
} Wanted;

ChunkBatch *
chunk_batch_new (ChunkFetcher *fetcher, FetchUrgency urgency, guint deadline_seconds, guint window,
                 const gint *cancelled)
{
  ChunkBatch *batch = g_new0 (ChunkBatch, 1);

  g_atomic_ref_count_init (&batch->references);
  batch->fetcher = fetcher;
  batch->urgency = urgency;
  batch->deadline_seconds = deadline_seconds;
  batch->window = window;
  batch->cancelled = cancelled;
  g_mutex_init (&batch->lock);
  g_cond_init (&batch->changed);
  return batch;
}

void
chunk_batch_free (ChunkBatch *batch)
{
  if (!batch || !g_atomic_ref_count_dec (&batch->references))
    return;
  g_clear_error (&batch->error);
  g_mutex_clear (&batch->lock);
  g_cond_clear (&batch->changed);
  g_free (batch);
}

static void
on_fetched (const ChunkId *id, const GError *error, gpointer data)
{
  g_autofree Wanted *wanted = data;
  ChunkBatch *batch = wanted->batch;

  g_mutex_lock (&batch->lock);
  batch->under_way--;
  batch->failed_in_a_row = error ? batch->failed_in_a_row + 1 : 0;
  if (!error)
    batch->done_bytes += wanted->size;
  else if (!batch->error)
    batch->error = g_error_copy (error);
  g_cond_signal (&batch->changed);
  g_mutex_unlock (&batch->lock);
  chunk_batch_free (batch);
}

/* Wait until fewer than MAX are under way; FALSE if it was cancelled.  LOCK is held.  */
static gboolean
wait_for_fewer (ChunkBatch *batch, guint max)
{
  while (!g_atomic_int_get (batch->cancelled) && batch->under_way >= max)
    g_cond_wait_until (&batch->changed, &batch->lock, g_get_monotonic_time () + LOOK_US);
  return !g_atomic_int_get (batch->cancelled);
}

gboolean
chunk_batch_want (ChunkBatch *batch, const ChunkId *id, gsize size)
{
  g_mutex_lock (&batch->lock);
  gboolean is_to_go_on =
      wait_for_fewer (batch, batch->window) && batch->failed_in_a_row < batch->window;
  if (is_to_go_on)
    batch->under_way++;
  g_mutex_unlock (&batch->lock);
  if (!is_to_go_on)
    return FALSE;
  Wanted *wanted = g_new (Wanted, 1);
  *wanted = (Wanted){ batch, size };
  g_atomic_ref_count_inc (&batch->references);
  chunk_fetcher_want (batch->fetcher, id, batch->urgency, FETCH_FROM_ANYONE,
                      batch->deadline_seconds, on_fetched, wanted);
  return TRUE;
}

gboolean
chunk_batch_wait (ChunkBatch *batch, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&batch->lock);

  if (!wait_for_fewer (batch, 1))
    return fail_code (error, G_IO_ERROR_CANCELLED, "interrupted");
  if (batch->error && error)
    *error = g_error_copy (batch->error);
  return batch->error == NULL;
}

guint64
chunk_batch_done_bytes (ChunkBatch *batch)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&batch->lock);

  return batch->done_bytes;
}
