// SPDX-License-Identifier: GPL-2.0-or-later
// New chunks on their way into the store: compressed, written aside, made durable, then named.
//
// Staged files lie in STORE/.staging-XXXXXX under their hexadecimal ids.  Only commit, after a
// syncfs, gives them their names in the store.  The directory of a writer that crashed is removed
// by the next collector: as every writer holds the store's lock, a directory that the collector
// sees belongs to nobody.

#include "chunk-staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunk-frame.h"
#include "fail.h"
#include "file-write.h"

#define STAGING_PREFIX ".staging-"

/* What is staged goes to the disk in portions while there is still work to do, so that the syncfs
   of commit finds little.  */
#define FLUSH_BYTES (48u << 20)

struct ChunkStaging
{
  ChunkStore *store;
  char *name; // of the staging directory
  int fd;
  GThread *flusher;
  GMutex lock;       // guards what follows
  GCond changed;     // there is something to flush, or the flusher shall end
  GHashTable *added; // set of ChunkId *, owned
  ChunkStagingStats stats;
  guint64 flushed_bytes; // of stats.stored_bytes, those that the flusher has begun with
  gboolean is_ending;
  int flush_errno; // syncfs tells of a failure once, so it is kept
};

/* Calls syncfs whenever FLUSH_BYTES more are staged.  */
static gpointer
flush_until_ended (gpointer data)
{
  ChunkStaging *staging = data;

  g_mutex_lock (&staging->lock);
  while (!staging->is_ending)
    {
      if (staging->stats.stored_bytes - staging->flushed_bytes < FLUSH_BYTES)
        {
          g_cond_wait (&staging->changed, &staging->lock);
          continue;
        }
      staging->flushed_bytes = staging->stats.stored_bytes;
      g_mutex_unlock (&staging->lock);
      int failure = syncfs (staging->fd) < 0 ? errno : 0;
      g_mutex_lock (&staging->lock);
      if (failure)
        staging->flush_errno = failure;
    }
  g_mutex_unlock (&staging->lock);
  return NULL;
}

static void
end_flusher (ChunkStaging *staging)
{
  if (!staging->flusher)
    return;
  g_mutex_lock (&staging->lock);
  staging->is_ending = TRUE;
  g_cond_signal (&staging->changed);
  g_mutex_unlock (&staging->lock);
  g_thread_join (g_steal_pointer (&staging->flusher));
}

ChunkStaging *
chunk_staging_new (ChunkStore *store, GError **error)
{
  g_autofree char *path =
      g_build_filename (chunk_store_path (store), STAGING_PREFIX "XXXXXX", NULL);

  if (!g_mkdtemp_full (path, 0750))
    {
      fail_errno (error, "make a directory in %s", chunk_store_path (store));
      return NULL;
    }
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    {
      fail_errno (error, "%s", path);
      return NULL;
    }
  ChunkStaging *staging = g_new0 (ChunkStaging, 1);
  staging->store = store;
  staging->name = g_path_get_basename (path);
  staging->fd = fd;
  g_mutex_init (&staging->lock);
  g_cond_init (&staging->changed);
  staging->added = g_hash_table_new_full (chunk_id_hash, chunk_id_equal, g_free, NULL);
  staging->flusher = g_thread_new ("flush", flush_until_ended, staging);
  return staging;
}

/* Remove directory NAME of STORE and the files in it.  */
static gboolean
remove_staging (ChunkStore *store, const char *name, GError **error)
{
  int fd = openat (chunk_store_fd (store), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  DIR *directory = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;
  gboolean ok = TRUE;

  if (!directory)
    return fail_errno (error, "%s/%s", chunk_store_path (store), name);
  while (ok && (entry = readdir (directory)))
    if (!g_str_equal (entry->d_name, ".") && !g_str_equal (entry->d_name, "..")
        && unlinkat (fd, entry->d_name, 0) < 0)
      ok = fail_errno (error, "remove %s/%s/%s", chunk_store_path (store), name, entry->d_name);
  closedir (directory);
  return ok
         && (unlinkat (chunk_store_fd (store), name, AT_REMOVEDIR) == 0
             || fail_errno (error, "remove %s/%s", chunk_store_path (store), name));
}

void
chunk_staging_free (ChunkStaging *staging)
{
  g_autoptr (GError) error = NULL;

  if (!staging)
    return;
  end_flusher (staging);
  close (staging->fd);
  if (!remove_staging (staging->store, staging->name, &error))
    g_message ("%s", error->message); // litter; gc takes it
  g_hash_table_destroy (staging->added);
  g_mutex_clear (&staging->lock);
  g_cond_clear (&staging->changed);
  g_free (staging->name);
  g_free (staging);
}

/* Whether this caller is the first to add ID.  */
static gboolean
claim (ChunkStaging *staging, const ChunkId *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&staging->lock);

  return !g_hash_table_contains (staging->added, id)
         && g_hash_table_add (staging->added, g_memdup2 (id, sizeof *id));
}

/* Take back what claim did for ID: it could not be staged, and commit must not find a part of it.
 */
static void
disclaim (ChunkStaging *staging, const ChunkId *id)
{
  char hex[CHUNK_HEX_SIZE];
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&staging->lock);

  chunk_id_to_hex (id, hex);
  unlinkat (staging->fd, hex, 0);
  g_hash_table_remove (staging->added, id);
}

static gboolean
write_file (ChunkStaging *staging, const char *name, const guint8 *data, gsize size, GError **error)
{
  int fd = openat (staging->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

  return file_write_and_close (fd, data, size)
         || fail_errno (error, "write chunk %s to %s", name, chunk_store_path (staging->store));
}

/* The directory that the chunk will be in.  Made here, by all cores, and not one after the other in
   commit; an empty one that stays behind is used some day.  */
static gboolean
make_chunk_directory (ChunkStore *store, const ChunkId *id, GError **error)
{
  char file[CHUNK_FILE_SIZE];

  chunk_store_file (id, file);
  *strchr (file, '/') = '\0';
  return mkdirat (chunk_store_fd (store), file, 0750) == 0 || errno == EEXIST
         || fail_errno (error, "make %s/%s", chunk_store_path (store), file);
}

/* Write chunk ID compressed, to *FRAME_SIZE bytes, and make the directory that it will be in.  */
static gboolean
stage (ChunkStaging *staging, const ChunkId *id, const void *data, gsize size, gsize *frame_size,
       GError **error)
{
  guint8 frame[CHUNK_FRAME_SIZE_MAX];
  char hex[CHUNK_HEX_SIZE];

  chunk_id_to_hex (id, hex);
  return chunk_frame_encode (data, size, frame, frame_size, error)
         && write_file (staging, hex, frame, *frame_size, error)
         && make_chunk_directory (staging->store, id, error);
}

gboolean
chunk_staging_add (ChunkStaging *staging, const ChunkId *id, const void *data, gsize size,
                   GError **error)
{
  return chunk_store_keeps (staging->store, id)
         || chunk_staging_replace (staging, id, data, size, error);
}

gboolean
chunk_staging_replace (ChunkStaging *staging, const ChunkId *id, const void *data, gsize size,
                       GError **error)
{
  gsize frame_size;

  if (!claim (staging, id))
    return TRUE;
  if (!stage (staging, id, data, size, &frame_size, error))
    {
      disclaim (staging, id);
      return FALSE;
    }
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&staging->lock);
  staging->stats.new_chunks++;
  staging->stats.new_bytes += size;
  staging->stats.stored_bytes += frame_size;
  if (staging->stats.stored_bytes - staging->flushed_bytes >= FLUSH_BYTES)
    g_cond_signal (&staging->changed);
  return TRUE;
}

static gboolean
name_chunk (ChunkStaging *staging, const ChunkId *id, GError **error)
{
  char file[CHUNK_FILE_SIZE], hex[CHUNK_HEX_SIZE];

  chunk_id_to_hex (id, hex);
  chunk_store_file (id, file);
  return renameat (staging->fd, hex, chunk_store_fd (staging->store), file) == 0
         || fail_errno (error, "%s/%s", chunk_store_path (staging->store), file);
}

static gboolean
sync_store (ChunkStaging *staging, GError **error)
{
  errno = staging->flush_errno;
  return (errno == 0 && syncfs (staging->fd) == 0)
         || fail_errno (error, "write %s to the disk", chunk_store_path (staging->store));
}

gboolean
chunk_staging_commit (ChunkStaging *staging, GError **error)
{
  GHashTableIter iter;
  gpointer id;

  end_flusher (staging);
  // Also where nothing was added: others may have named a chunk an instant ago, or have crashed
  // then.
  if (!sync_store (staging, error))
    return FALSE;
  if (g_hash_table_size (staging->added) == 0)
    return TRUE;
  g_hash_table_iter_init (&iter, staging->added);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    if (!name_chunk (staging, id, error))
      return FALSE;
  return sync_store (staging, error); // the names, before anything refers to them
}

ChunkStagingStats
chunk_staging_stats (ChunkStaging *staging)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&staging->lock);

  return staging->stats;
}

gboolean
chunk_staging_sweep (ChunkStore *store, guint *removed, GError **error)
{
  g_autoptr (GDir) directory = g_dir_open (chunk_store_path (store), 0, error);
  const char *name;

  *removed = 0;
  while (directory && (name = g_dir_read_name (directory)))
    if (g_str_has_prefix (name, STAGING_PREFIX))
      {
        if (!remove_staging (store, name, error))
          return FALSE;
        (*removed)++;
      }
  return directory != NULL;
}
