// SPDX-License-Identifier: GPL-2.0-or-later
// Removing many chunks from a store.
//
// For each the disk is asked for a directory and an inode, which lie anywhere on it.  It answers
// several such questions in about the time of one, so there are more threads than cores.

#include "chunk-removal.h"

#include "fail.h"

#define THREADS 8

typedef struct
{
  ChunkStore *store;
  const gint *cancelled;
  gint failed; // atomic
  GMutex lock; // guards what follows
  guint64 freed_bytes;
  GError *error; // the first one
} Removal;

static void
remove_chunk (gpointer id, gpointer data)
{
  Removal *removal = data;
  guint64 freed_bytes = 0;
  GError *error = NULL;

  if (g_atomic_int_get (&removal->failed))
    return;
  if (removal->cancelled && g_atomic_int_get (removal->cancelled))
    fail_code (&error, G_IO_ERROR_CANCELLED, "interrupted; the next gc goes on");
  else
    chunk_store_remove (removal->store, id, &freed_bytes, &error);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&removal->lock);
  removal->freed_bytes += freed_bytes;
  if (!error)
    return;
  g_atomic_int_set (&removal->failed, 1);
  if (removal->error)
    g_error_free (error);
  else
    removal->error = error;
}

gboolean
chunk_removal_run (ChunkStore *store, const GArray *ids, const gint *cancelled,
                   guint64 *freed_bytes, GError **error)
{
  Removal removal = { .store = store, .cancelled = cancelled };
  GThreadPool *pool = g_thread_pool_new (remove_chunk, &removal, THREADS, TRUE, error);

  if (!pool)
    return FALSE;
  g_mutex_init (&removal.lock);
  for (guint i = 0; i < ids->len; i++)
    g_thread_pool_push (pool, &g_array_index (ids, ChunkId, i), NULL);
  g_thread_pool_free (pool, FALSE, TRUE);
  g_mutex_clear (&removal.lock);
  *freed_bytes = removal.freed_bytes;
  if (!removal.error)
    return TRUE;
  g_propagate_error (error, removal.error);
  return FALSE;
}
