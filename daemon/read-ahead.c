// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching what a sequential reader will want next.
//
// It needs the indexes, and reading one takes its time: so it has a thread.  An index that is open
// keeps gc from its version, so none stays open when nothing was missing for a while.

#include "read-ahead.h"

#include "qcow-backing/image-library.h"
#include "qcow-backing/image-name.h"
#include "sequential-reads.h"

#define IDLE_USEC        (20 * G_USEC_PER_SEC)
#define VERSIONS_MAX     32u
#define QUEUE_MAX        256
#define SCAN_MAX         4096u // chunks that are looked at for those that are missing
#define DEADLINE_SECONDS 20

struct ReadAhead
{
  const Config *config;
  ChunkFetcher *fetcher;
  GAsyncQueue *queue; // of Read *
  GThread *thread;
  GHashTable *versions; // the thread's: ref, owned -> ReadVersion *
};

/* A read; REF is NULL for the end.  */
typedef struct
{
  char *ref;
  guint64 position;
} Read;

typedef struct
{
  ImageLibrary *library;
  ImageVersion *image; // NULL: it cannot be loaded
  SequentialReads reads;
} ReadVersion;

static void
read_free (gpointer data)
{
  Read *read = data;

  g_free (read->ref);
  g_free (read);
}

static void
read_version_free (gpointer data)
{
  ReadVersion *version = data;

  image_version_free (version->image);
  image_library_free (version->library);
  g_free (version);
}

static ReadVersion *
get_version (ReadAhead *read_ahead, const char *ref)
{
  ReadVersion *version = g_hash_table_lookup (read_ahead->versions, ref);
  g_autofree char *name = NULL;
  guint number;

  if (version)
    return version;
  if (g_hash_table_size (read_ahead->versions) >= VERSIONS_MAX)
    g_hash_table_remove_all (read_ahead->versions);
  version = g_new0 (ReadVersion, 1);
  if (image_ref_parse (ref, &name, &number, NULL) && number > 0)
    version->library = image_library_open (read_ahead->config, NULL);
  if (version->library) // what is wrong with it, who reads it is told
    version->image = image_library_load (version->library, name, number, NULL);
  g_hash_table_insert (read_ahead->versions, g_strdup (ref), version);
  return version;
}

/* Want COUNT chunks of VERSION that are missing, from position I on.  The position behind them.  */
static guint64
want_missing (ReadAhead *read_ahead, const ReadVersion *version, guint64 i, guint count)
{
  const Index *index = version->image->index;
  guint64 end = MIN (i + SCAN_MAX, index_n_chunks (index));

  for (; i < end && count > 0; i++)
    {
      const ChunkId *id = index_chunk_id (index, i);
      if (index_chunk_is_zero (index, i)
          || chunk_store_has (image_library_store (version->library), id))
        continue;
      chunk_fetcher_want (read_ahead->fetcher, id, FETCH_AHEAD, FETCH_FROM_ANYONE, DEADLINE_SECONDS,
                          NULL, NULL);
      count--;
    }
  return i;
}

static void
follow (ReadAhead *read_ahead, const Read *read)
{
  ReadVersion *version = get_version (read_ahead, read->ref);
  guint count;

  if (!version->image || read->position >= index_n_chunks (version->image->index))
    return;
  SequentialStream *stream = sequential_reads_add (&version->reads, read->position, &count);
  if (stream)
    stream->end = want_missing (read_ahead, version, stream->end, count);
}

static gpointer
run (gpointer data)
{
  ReadAhead *read_ahead = data;
  Read *read;

  for (;;)
    {
      read = g_hash_table_size (read_ahead->versions) > 0
                 ? g_async_queue_timeout_pop (read_ahead->queue, IDLE_USEC)
                 : g_async_queue_pop (read_ahead->queue);
      if (!read)
        g_hash_table_remove_all (read_ahead->versions);
      else if (!read->ref)
        break;
      else
        follow (read_ahead, read);
      g_clear_pointer (&read, read_free);
    }
  read_free (read);
  return NULL;
}

ReadAhead *
read_ahead_new (const Config *config, ChunkFetcher *fetcher)
{
  ReadAhead *read_ahead = g_new0 (ReadAhead, 1);

  read_ahead->config = config;
  read_ahead->fetcher = fetcher;
  read_ahead->queue = g_async_queue_new_full (read_free);
  read_ahead->versions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, read_version_free);
  read_ahead->thread = g_thread_new ("read-ahead", run, read_ahead);
  return read_ahead;
}

void
read_ahead_free (ReadAhead *read_ahead)
{
  if (!read_ahead)
    return;
  g_async_queue_push_front (read_ahead->queue, g_new0 (Read, 1));
  g_thread_join (read_ahead->thread);
  g_async_queue_unref (read_ahead->queue);
  g_hash_table_unref (read_ahead->versions);
  g_free (read_ahead);
}

void
read_ahead_add (ReadAhead *read_ahead, const char *ref, guint64 position)
{
  if (g_async_queue_length (read_ahead->queue) >= QUEUE_MAX)
    return; // it would come too late
  Read *read = g_new (Read, 1);
  *read = (Read){ g_strdup (ref), position };
  g_async_queue_push (read_ahead->queue, read);
}
