// SPDX-License-Identifier: GPL-2.0-or-later
// Removing many chunks from a store.
//
// For each the disk is asked for a directory and an inode, which lie anywhere on it.  It answers
// several such questions in about the time of one, so there are more threads than cores.

#include "chunk-removal.h"

#include "fail.h"

#define THREADS 8
#define PORTION 64 // chunks that a thread takes at a time

typedef struct
{
  ChunkStore *store;
  const GArray *ids; // of ChunkId
  const gint *cancelled;
  gint cursor, failed; // atomic
  GMutex lock;         // guards what follows
  guint64 freed_bytes;
  GError *error; // the first one
} Removal;

/* Remove the chunks from place FIRST to before END.  */
static gboolean
remove_portion (Removal *removal, guint first, guint end, guint64 *freed_bytes, GError **error)
{
  if (removal->cancelled && g_atomic_int_get (removal->cancelled))
    return fail_code (error, G_IO_ERROR_CANCELLED, "interrupted; the next gc goes on");
  for (guint i = first; i < end; i++)
    {
      guint64 freed;
      if (!chunk_store_remove (removal->store, &g_array_index (removal->ids, ChunkId, i), &freed,
                               error))
        return FALSE;
      *freed_bytes += freed;
    }
  return TRUE;
}

static gpointer
worker (gpointer data)
{
  Removal *removal = data;
  guint64 freed_bytes = 0;
  GError *error = NULL;

  while (!error && !g_atomic_int_get (&removal->failed))
    {
      guint first = (guint)g_atomic_int_add (&removal->cursor, PORTION);
      if (first >= removal->ids->len)
        break;
      remove_portion (removal, first, MIN (first + PORTION, removal->ids->len), &freed_bytes,
                      &error);
    }
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&removal->lock);
  removal->freed_bytes += freed_bytes;
  if (error)
    g_atomic_int_set (&removal->failed, 1);
  if (error && removal->error)
    g_error_free (error);
  else if (error)
    removal->error = error;
  return NULL;
}

gboolean
chunk_removal_run (ChunkStore *store, const GArray *ids, const gint *cancelled,
                   guint64 *freed_bytes, GError **error)
{
  Removal removal = { .store = store, .ids = ids, .cancelled = cancelled };
  GThread *threads[THREADS];

  g_mutex_init (&removal.lock);
  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("remove", worker, &removal);
  for (guint i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
  g_mutex_clear (&removal.lock);
  *freed_bytes = removal.freed_bytes;
  if (!removal.error)
    return TRUE;
  g_propagate_error (error, removal.error);
  return FALSE;
}
