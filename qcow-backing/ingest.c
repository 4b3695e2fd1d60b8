// SPDX-License-Identifier: GPL-2.0-or-later
// Ingesting: a disk's data is cut into chunks, hashed, and staged for the store, on all cores.
//
// A map of where the data is comes first, so that progress has a total.  Then one worker for each
// connection takes ranges from a common cursor, and reads, hashes and compresses each by itself.

#include "ingest.h"

#include "fail.h"

#define RANGE_CHUNKS 16 // 1 MiB a read

typedef struct
{
  NbdSource *source;
  ChunkStaging *staging;
  const Progress *progress;
  GArray *ranges; // of ChunkRange
  guint64 total;  // bytes of data
  ChunkId *ids;
  gint cursor, failed;  // atomic
  gint next_connection; // atomic
  GMutex lock;          // guards what follows
  guint64 done;
  GError *error; // the first one
} Ingest;

static gboolean
ingest_chunk (Ingest *ingest, gsize chunk, const guint8 *data, gsize size, GError **error)
{
  if (chunk_is_zero (data, size))
    return TRUE; // its id stands already
  ingest->ids[chunk] = chunk_id_of (data, size);
  return chunk_staging_add (ingest->staging, &ingest->ids[chunk], data, size, error);
}

static gboolean
ingest_range (Ingest *ingest, guint connection, const ChunkRange *range, guint8 *buffer,
              GError **error)
{
  guint64 offset = (guint64)range->first * CHUNK_SIZE;
  gsize length =
      (gsize)MIN ((guint64)range->count * CHUNK_SIZE, nbd_source_size (ingest->source) - offset);

  if (!nbd_source_read (ingest->source, connection, offset, length, buffer, error))
    return FALSE;
  for (gsize i = 0; i < range->count; i++)
    {
      gsize start = i * CHUNK_SIZE;
      if (!ingest_chunk (ingest, range->first + i, buffer + start, MIN (CHUNK_SIZE, length - start),
                         error))
        return FALSE;
    }
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ingest->lock);
  ingest->done += length;
  progress_report (ingest->progress, ingest->done, ingest->total);
  return TRUE;
}

static gboolean
work_until_done (Ingest *ingest, guint connection, guint8 *buffer, GError **error)
{
  while (!g_atomic_int_get (&ingest->failed))
    {
      guint i = (guint)g_atomic_int_add (&ingest->cursor, 1);
      if (i >= ingest->ranges->len)
        return TRUE;
      if (progress_is_cancelled (ingest->progress))
        return fail_code (error, G_IO_ERROR_CANCELLED, "interrupted; nothing was published");
      if (!ingest_range (ingest, connection, &g_array_index (ingest->ranges, ChunkRange, i), buffer,
                         error))
        return FALSE;
    }
  return TRUE;
}

static gpointer
worker (gpointer data)
{
  Ingest *ingest = data;
  guint connection = (guint)g_atomic_int_add (&ingest->next_connection, 1);
  g_autofree guint8 *buffer = g_malloc (RANGE_CHUNKS * CHUNK_SIZE);
  GError *error = NULL;

  if (!work_until_done (ingest, connection, buffer, &error))
    {
      g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&ingest->lock);
      g_atomic_int_set (&ingest->failed, 1);
      if (ingest->error)
        g_error_free (error);
      else
        ingest->error = error;
    }
  return NULL;
}

static void
run_workers (Ingest *ingest)
{
  guint n = nbd_source_connections (ingest->source);
  g_autofree GThread **threads = g_new (GThread *, n);

  for (guint i = 0; i < n; i++)
    threads[i] = g_thread_new ("ingest", worker, ingest);
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
}

/* The ids of a disk of SIZE bytes that is all zeros.  */
static ChunkId *
zero_ids (guint64 size, gsize *n)
{
  ChunkId zero = chunk_id_of_zeros (CHUNK_SIZE);

  *n = (gsize)((size + CHUNK_SIZE - 1) / CHUNK_SIZE);
  ChunkId *ids = g_new (ChunkId, *n);
  for (gsize i = 0; i < *n; i++)
    ids[i] = zero;
  if (size % CHUNK_SIZE)
    ids[*n - 1] = chunk_id_of_zeros (size % CHUNK_SIZE);
  return ids;
}

ChunkId *
ingest_disk (NbdSource *source, ChunkStaging *staging, const Progress *progress, GError **error)
{
  Ingest ingest = { .source = source, .staging = staging, .progress = progress };
  gsize n;

  ingest.ranges = nbd_source_map (source, RANGE_CHUNKS, error);
  if (!ingest.ranges)
    return NULL;
  for (guint i = 0; i < ingest.ranges->len; i++)
    ingest.total += g_array_index (ingest.ranges, ChunkRange, i).count * CHUNK_SIZE;
  ingest.total = MIN (ingest.total, nbd_source_size (source));
  ingest.ids = zero_ids (nbd_source_size (source), &n);
  g_mutex_init (&ingest.lock);
  run_workers (&ingest);
  g_mutex_clear (&ingest.lock);
  g_array_unref (ingest.ranges);
  if (ingest.error)
    {
      g_propagate_error (error, ingest.error);
      g_clear_pointer (&ingest.ids, g_free);
    }
  return ingest.ids;
}
