// SPDX-License-Identifier: GPL-2.0-or-later
// Ingesting: a disk's data is cut into chunks, hashed, and staged for the store, on all cores.
//
// A plan of what has to be read comes first, so that progress has a total.  Then one worker for
// each connection takes ranges from a common cursor, and reads, hashes and compresses each by
// itself.

#include "ingest.h"

#include <string.h>

#include "chunk-plan.h"
#include "fail.h"

#define RANGE_CHUNKS 16 // 1 MiB at once

typedef struct
{
  NbdSource *source;
  const IngestBelow *below; // may be NULL
  ChunkStaging *staging;
  const Progress *progress;
  ChunkPlan *plan;
  guint64 total;        // bytes to read
  gint cursor, failed;  // atomic
  gint next_connection; // atomic
  GMutex lock;          // guards what follows
  guint64 done;
  GError *error; // the first one
} Ingest;

static gboolean
ingest_chunk (Ingest *ingest, gsize chunk, const guint8 *data, gsize size, GError **error)
{
  ChunkId *id = &ingest->plan->ids[chunk];

  if (chunk_is_zero (data, size))
    {
      *id = chunk_id_of_zeros (size);
      return TRUE;
    }
  *id = chunk_id_of (data, size);
  return chunk_staging_add (ingest->staging, id, data, size, error);
}

/* Read chunk I of what is below into BUFFER.  Its bytes are going to be signed, so they are
   hashed.  */
static gboolean
read_below (const Ingest *ingest, gsize i, guint8 *buffer, GError **error)
{
  const Index *index = ingest->below->index;
  gsize size = index_chunk_size (index, i);

  if (index_chunk_is_zero (index, i))
    {
      memset (buffer, 0, size);
      return TRUE;
    }
  return chunk_store_read (ingest->below->store, index_chunk_id (index, i), CHUNK_READ_HASH, buffer,
                           size, error);
}

/* Put into BUFFER, which is the disk from OFFSET on, LENGTH bytes of it, what of that is below.  */
static gboolean
patch_from_below (const Ingest *ingest, guint64 offset, gsize length, guint8 *buffer,
                  GError **error)
{
  guint8 chunk[CHUNK_SIZE];
  gsize in_chunk = G_MAXSIZE; // which one
  const GArray *extents = ingest->plan->extents;

  for (guint i = chunk_plan_extent_at (ingest->plan, offset); i < extents->len; i++)
    {
      const NbdExtent *extent = &g_array_index (extents, NbdExtent, i);
      guint64 position = MAX (extent->offset, offset);
      guint64 end = MIN (extent->offset + extent->length, offset + length);
      if (extent->offset >= offset + length)
        break;
      while (extent->kind == NBD_EXTENT_BELOW && position < end)
        {
          gsize n = (gsize)(position / CHUNK_SIZE), start = (gsize)(position % CHUNK_SIZE);
          gsize part = (gsize)MIN (CHUNK_SIZE - start, end - position);
          if (in_chunk != n && !read_below (ingest, n, chunk, error))
            return FALSE;
          in_chunk = n;
          memcpy (buffer + (position - offset), chunk + start, part);
          position += part;
        }
    }
  return TRUE;
}

/* Read what the source holds of the disk from OFFSET on, LENGTH bytes, into BUFFER; the rest
   becomes zeros.  An edit has written a little here and there, and only that is asked for.  */
static gboolean
read_source (Ingest *ingest, guint connection, guint64 offset, gsize length, guint8 *buffer,
             GError **error)
{
  guint64 end = offset + length;
  DiskPart part = { offset, 0 };

  memset (buffer, 0, length);
  while (chunk_plan_next_data (ingest->plan, part.offset + part.length, end, &part))
    if (!nbd_source_begin_read (ingest->source, connection, part.offset, (gsize)part.length,
                                buffer + (part.offset - offset), error))
      return FALSE;
  return nbd_source_wait (ingest->source, connection, error);
}

static gboolean
ingest_range (Ingest *ingest, guint connection, const ChunkRange *range, guint8 *buffer,
              GError **error)
{
  guint64 offset = (guint64)range->first * CHUNK_SIZE;
  gsize length =
      (gsize)MIN ((guint64)range->count * CHUNK_SIZE, nbd_source_size (ingest->source) - offset);

  if (!read_source (ingest, connection, offset, length, buffer, error)
      || !patch_from_below (ingest, offset, length, buffer, error))
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
      if (i >= ingest->plan->ranges->len)
        return TRUE;
      if (progress_is_cancelled (ingest->progress))
        return fail_code (error, G_IO_ERROR_CANCELLED, "interrupted; nothing was published");
      if (!ingest_range (ingest, connection, &g_array_index (ingest->plan->ranges, ChunkRange, i),
                         buffer, error))
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

ChunkId *
ingest_disk (NbdSource *source, const IngestBelow *below, ChunkStaging *staging,
             const Progress *progress, GError **error)
{
  Ingest ingest = { .source = source, .below = below, .staging = staging, .progress = progress };
  GArray *extents = nbd_source_map (source, error);

  if (!extents)
    return NULL;
  g_autoptr (ChunkPlan) plan =
      chunk_plan_new (nbd_source_size (source), extents, below ? below->index : NULL, RANGE_CHUNKS);
  ingest.plan = plan;
  for (guint i = 0; i < plan->ranges->len; i++)
    ingest.total += g_array_index (plan->ranges, ChunkRange, i).count * CHUNK_SIZE;
  ingest.total = MIN (ingest.total, nbd_source_size (source));
  g_mutex_init (&ingest.lock);
  run_workers (&ingest);
  g_mutex_clear (&ingest.lock);
  if (ingest.error)
    {
      g_propagate_error (error, ingest.error);
      return NULL;
    }
  return g_steal_pointer (&plan->ids);
}
