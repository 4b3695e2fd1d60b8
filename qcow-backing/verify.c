// SPDX-License-Identifier: GPL-2.0-or-later
// Verifying: is every byte of every version what was signed?
//
// First the records and indexes, which tell the chunks and one version that needs each; then the
// chunks, each hashed once however many versions share it.

#include "verify.h"

#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "record-file.h"

typedef struct
{
  ImageLibrary *library;
  const Progress *progress;
  VerifyResult *result;
  GHashTable *chunks; // ChunkId * (owned) -> Needed * (owned)
  GPtrArray *users;   // of char *: IMAGE@VERSION, that Needed points into
  guint64 total;      // bytes of chunks
  GMutex lock;        // guards result->bad_chunks and what follows
  guint64 done;
} Verify;

/* Who needs a chunk, and how long it is then.  */
typedef struct
{
  const char *user; // NULL: nobody
  gsize size;
  gboolean is_kept; // one of those who need it is an image that this host keeps whole
} Needed;

typedef struct
{
  const ChunkId *id;
  const Needed *needed;
} Job;

static void
add_problem (Verify *verify, const char *user, const char *sentence)
{
  g_ptr_array_add (verify->result->problems, g_strdup_printf ("%s: %s", user, sentence));
}

static void
bad_chunk_free (gpointer data)
{
  BadChunk *bad = data;

  g_free (bad->problem);
  g_free (bad);
}

static void
add_chunk (Verify *verify, const ChunkId *id, gsize size, const char *user, gboolean is_kept)
{
  Needed *needed = g_hash_table_lookup (verify->chunks, id);

  if (needed)
    {
      needed->is_kept = needed->is_kept || is_kept;
      return;
    }
  needed = g_new (Needed, 1);
  *needed = (Needed){ user, size, is_kept };
  g_hash_table_insert (verify->chunks, g_memdup2 (id, sizeof *id), needed);
  verify->total += size;
}

static void
add_version_chunks (Verify *verify, const ImageVersion *version, const char *user)
{
  const Index *index = version->index;
  GArray *index_chunks = version->record->index_chunks;
  guint64 index_size = version->record->index_size;
  gboolean is_kept = origin_keeps (image_library_origin (verify->library), version->record->image);
  gsize n = index_n_chunks (index);
  gboolean has_zero = FALSE;

  for (gsize i = 0; i < n; i++)
    {
      gboolean is_zero = index_chunk_is_zero (index, i);
      // Chunks of zeros are the same but for the last; gild stores them for casync, fetches none.
      if (!is_zero || (is_kept && (!has_zero || i + 1 == n)))
        add_chunk (verify, index_chunk_id (index, i), index_chunk_size (index, i), user, is_kept);
      has_zero = has_zero || is_zero;
    }
  for (guint i = 0; i < index_chunks->len; i++)
    add_chunk (verify, &g_array_index (index_chunks, ChunkId, i),
               (gsize)MIN (CHUNK_SIZE, index_size - (guint64)i * CHUNK_SIZE), user, is_kept);
}

static void
verify_version (Verify *verify, const char *image, guint number)
{
  g_autofree char *path = image_library_version_path (verify->library, image, number, ".json");
  g_autoptr (GError) error = NULL;
  char *user = g_strdup_printf ("%s@%u", image, number);

  g_ptr_array_add (verify->users, user);
  verify->result->versions++;
  g_autoptr (ImageVersion) version = image_library_load (verify->library, image, number, &error);
  if (version)
    add_version_chunks (verify, version, user);
  if (!version
      || !record_file_is_consistent (path, image_library_public_key (verify->library), &error))
    add_problem (verify, user, error->message);
}

static void
verify_channels (Verify *verify, const char *image, GArray *versions)
{
  g_autofree char *path = image_library_path (verify->library, image, "channels.json");
  g_autoptr (GError) error = NULL;
  g_autoptr (ChannelRecord) channels = image_library_load_channels (verify->library, image, &error);
  GHashTableIter iter;
  gpointer name, named;

  if (!channels)
    {
      if (error || versions->len)
        add_problem (verify, image,
                     error ? error->message
                           : "its channel record is missing: publish again, which makes one");
      return;
    }
  if (!record_file_is_consistent (path, image_library_public_key (verify->library), &error))
    add_problem (verify, image, error->message);
  g_hash_table_iter_init (&iter, channels->channels);
  while (g_hash_table_iter_next (&iter, &name, &named))
    {
      gboolean found = FALSE;
      for (guint i = 0; i < versions->len; i++)
        found = found || g_array_index (versions, guint, i) == GPOINTER_TO_UINT (named);
      if (!found)
        {
          g_autofree char *sentence = g_strdup_printf (
              "its channel %s names version %u, which is missing: publish to it again",
              (char *)name, GPOINTER_TO_UINT (named));
          add_problem (verify, image, sentence);
        }
    }
}

static gboolean
verify_image (Verify *verify, const char *image, guint version, GError **error)
{
  g_autoptr (GArray) versions = image_library_versions (verify->library, image, error);

  if (!versions)
    return FALSE;
  for (guint i = 0; i < versions->len; i++)
    if (version == 0 || version == g_array_index (versions, guint, i))
      verify_version (verify, image, g_array_index (versions, guint, i));
  verify_channels (verify, image, versions);
  return TRUE;
}

static gboolean
add_unneeded (const ChunkId *id, gpointer data, GError **error)
{
  add_chunk (data, id, 0, NULL, FALSE); // 0: its size is not known
  return TRUE;
}

static gboolean
collect (Verify *verify, const char *image, guint version, GError **error)
{
  g_autoptr (GPtrArray) images = NULL;

  if (image)
    {
      guint before = verify->result->versions;
      if (!verify_image (verify, image, version, error))
        return FALSE;
      if (verify->result->versions > before)
        return TRUE;
      return image_library_fail_missing (image, version, error);
    }
  images = image_library_images (verify->library, error);
  for (guint i = 0; images && i < images->len; i++)
    if (!verify_image (verify, images->pdata[i], 0, error))
      return FALSE;
  return images
         && chunk_store_foreach (image_library_store (verify->library), add_unneeded, verify,
                                 error);
}

static void
add_bad_chunk (Verify *verify, const Job *job, const char *sentence)
{
  const char *user = job->needed->user;
  BadChunk *bad = g_new (BadChunk, 1);

  *bad = (BadChunk){ *job->id, job->needed->size, job->needed->is_kept,
                     user ? g_strdup_printf ("%s: %s", user, sentence) : g_strdup (sentence) };
  g_ptr_array_add (verify->result->bad_chunks, bad);
}

static void
check_chunk (gpointer data, gpointer user_data)
{
  g_autofree Job *job = data;
  Verify *verify = user_data;
  ChunkStore *store = image_library_store (verify->library);
  guint8 buffer[CHUNK_SIZE];
  g_autoptr (GError) error = NULL;

  if (progress_is_cancelled (verify->progress))
    return;
  gboolean ok = job->needed->user ? chunk_store_read (store, job->id, CHUNK_READ_HASH, buffer,
                                                      job->needed->size, &error)
                                  : chunk_store_check (store, job->id, &error);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&verify->lock);
  if (g_error_matches (error, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_MISSING) && !job->needed->is_kept
      && job->needed->user)
    {
      verify->result->absent_chunks++;
      verify->result->absent_bytes += job->needed->size;
    }
  else if (!ok)
    add_bad_chunk (verify, job, error->message);
  verify->done += job->needed->size;
  progress_report (verify->progress, verify->done, verify->total);
}

static gboolean
check_chunks (Verify *verify, GError **error)
{
  GThreadPool *pool =
      g_thread_pool_new (check_chunk, verify, (gint)g_get_num_processors (), TRUE, error);
  GHashTableIter iter;
  gpointer id, needed;

  if (!pool)
    return FALSE;
  g_hash_table_iter_init (&iter, verify->chunks);
  while (g_hash_table_iter_next (&iter, &id, &needed))
    {
      Job *job = g_new (Job, 1);
      *job = (Job){ id, needed };
      g_thread_pool_push (pool, job, NULL);
    }
  g_thread_pool_free (pool, FALSE, TRUE);
  if (progress_is_cancelled (verify->progress))
    return fail_code (error, G_IO_ERROR_CANCELLED, "interrupted");
  verify->result->chunks = g_hash_table_size (verify->chunks);
  return TRUE;
}

static int
compare_sentences (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static int
compare_bad_chunks (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const BadChunk *const *)a)->problem, (*(const BadChunk *const *)b)->problem);
}

gboolean
verify_run (ImageLibrary *library, const char *image, guint version, const Progress *progress,
            VerifyResult *result, GError **error)
{
  Verify verify = { .library = library, .progress = progress, .result = result };

  *result = (VerifyResult){ .problems = g_ptr_array_new_with_free_func (g_free),
                            .bad_chunks = g_ptr_array_new_with_free_func (bad_chunk_free),
                            .mended = g_ptr_array_new_with_free_func (g_free) };
  verify.chunks = g_hash_table_new_full (chunk_id_hash, chunk_id_equal, g_free, g_free);
  verify.users = g_ptr_array_new_with_free_func (g_free);
  g_mutex_init (&verify.lock);
  int lock = chunk_store_lock (image_library_store (library), CHUNK_STORE_LOCK_ADD, error); // no gc
  gboolean ok =
      lock >= 0 && collect (&verify, image, version, error) && check_chunks (&verify, error);
  if (lock >= 0)
    close (lock);
  g_ptr_array_sort (result->problems, compare_sentences);
  g_ptr_array_sort (result->bad_chunks, compare_bad_chunks);
  g_hash_table_unref (verify.chunks);
  g_ptr_array_unref (verify.users);
  g_mutex_clear (&verify.lock);
  return ok;
}

void
verify_result_clear (VerifyResult *result)
{
  g_clear_pointer (&result->problems, g_ptr_array_unref);
  g_clear_pointer (&result->bad_chunks, g_ptr_array_unref);
  g_clear_pointer (&result->mended, g_ptr_array_unref);
}
