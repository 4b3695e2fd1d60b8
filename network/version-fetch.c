// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching all that a version lacks.

#include "version-fetch.h"

#include "chunk-batch.h"
#include "profile-fetch.h"

#define WINDOW           1024
#define DEADLINE_SECONDS 30
#define PACE_CHUNKS      64 // wanted at once, where there is a limit
#define TELL_US          (G_USEC_PER_SEC / 5)

typedef struct
{
  const VersionFetch *fetch;
  ChunkStore *store;
  ChunkBatch *batch;
  gint64 told_us;  // when go_on was last called
  gint64 paced_us; // when the last PACE_CHUNKS were wanted, and how many were since
  guint paced_chunks;
} Run;

/* No more than the limit, as if chunks did not compress; FALSE if it is to end.  */
static gboolean
keep_pace (Run *run)
{
  guint64 limit = run->fetch->limit_bytes;
  gint64 due_us;

  if (limit == 0 || ++run->paced_chunks < PACE_CHUNKS)
    return TRUE;
  due_us = run->paced_us + (gint64)(PACE_CHUNKS * (guint64)CHUNK_SIZE * G_USEC_PER_SEC / limit);
  while (g_get_monotonic_time () < due_us)
    {
      if (g_atomic_int_get (run->fetch->sync->cancelled)
          || !run->fetch->go_on (run->fetch->data, chunk_batch_done_bytes (run->batch)))
        return FALSE;
      g_usleep ((gulong)CLAMP (due_us - g_get_monotonic_time (), 1, TELL_US));
    }
  run->paced_us = g_get_monotonic_time ();
  run->paced_chunks = 0;
  return TRUE;
}

static gboolean
want (Run *run, const ChunkId *id, gsize size)
{
  if (chunk_store_has (run->store, id))
    return TRUE;
  if (g_get_monotonic_time () - run->told_us > TELL_US)
    {
      if (!run->fetch->go_on (run->fetch->data, chunk_batch_done_bytes (run->batch)))
        return FALSE;
      run->told_us = g_get_monotonic_time ();
    }
  return keep_pace (run) && chunk_batch_want (run->batch, id, size);
}

/* What the next boot of it reads comes first; without a profile nothing does.  */
static gboolean
want_profile (Run *run, const char *image, guint version)
{
  g_autoptr (GArray) ids = profile_fetch_missing (run->fetch->sync->config, image, version, NULL);

  for (guint i = 0; ids && i < ids->len; i++)
    if (!want (run, &g_array_index (ids, ChunkId, i), CHUNK_SIZE))
      return FALSE;
  return TRUE;
}

/* A chunk of zeros is not read by gild, but by casync; there are two at most, a full one and the
   last.  */
static gboolean
want_zeros (Run *run, const Index *index)
{
  gsize n = index_n_chunks (index);

  for (gsize i = 0; i < n; i++)
    if (index_chunk_is_zero (index, i))
      {
        if (!want (run, index_chunk_id (index, i), 0))
          return FALSE;
        if (n >= 2 && i < n - 2)
          i = n - 2; // on to the last one
      }
  return TRUE;
}

static gboolean
want_all (Run *run, const ImageVersion *version)
{
  const GArray *index_chunks = version->record->index_chunks;

  for (gsize i = 0; i < index_n_chunks (version->index); i++)
    if (!index_chunk_is_zero (version->index, i)
        && !want (run, index_chunk_id (version->index, i), index_chunk_size (version->index, i)))
      return FALSE;
  for (guint i = 0; i < index_chunks->len; i++)
    if (!want (run, &g_array_index (index_chunks, ChunkId, i), 0))
      return FALSE;
  return want_zeros (run, version->index);
}

gboolean
version_fetch_run (const VersionFetch *fetch, const char *image, guint number,
                   guint64 *missing_bytes, GError **error)
{
  g_autoptr (ImageVersion) version =
      image_library_load (fetch->sync->library, image, number, error);
  guint window = fetch->limit_bytes > 0 ? PACE_CHUNKS : WINDOW;
  g_autoptr (ChunkBatch) batch = chunk_batch_new (fetch->sync->fetcher, FETCH_BULK,
                                                  DEADLINE_SECONDS, window, fetch->sync->cancelled);
  Run run = { fetch, image_library_store (fetch->sync->library), batch, 0, g_get_monotonic_time (),
              0 };

  if (!version)
    return FALSE;
  if (want_profile (&run, image, number))
    want_all (&run, version);
  return chunk_batch_wait (batch, error) && chunk_fetcher_flush (fetch->sync->fetcher, error)
         && completeness_count (fetch->completeness, image, number, missing_bytes, error);
}
