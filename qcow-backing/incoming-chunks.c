// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that come from other hosts, on their way into the store: readable at once, durable soon.
//
// Each is written to a temporary name and renamed, so that who finds a name finds whole bytes.  The
// flusher takes the list of what was added, has all of it written to the disk by one syncfs, and
// moves it into the store.  What it could not move stays on the list.

#include "incoming-chunks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"
#include "file-write.h"

#define FLUSH_BYTES    (32u << 20)
#define FLUSH_INTERVAL G_USEC_PER_SEC

struct IncomingChunks
{
  ChunkStore *store;
  int fd; // of .incoming
  GThread *flusher;
  guint next_temporary; // atomic
  GMutex flush_lock;    // one flush at a time; taken before lock; guards has_directory
  guint8 has_directory[G_MAXUINT16 + 1]; // 1: the store's for ids that begin so was seen
  GMutex lock;                           // guards what follows
  GCond changed;                         // there is something to flush, or the flusher shall end
  GArray *added;                         // of ChunkId, which the next flush takes
  GHashTable *present;                   // set of ChunkId *, owned: what is in .incoming
  guint64 added_bytes;
  gboolean is_ending;
};

/* Make .incoming, open it, and remove what is in it.  Its descriptor, -1 on error.  */
static int
open_empty (ChunkStore *store, GError **error)
{
  g_autofree char *path = g_build_filename (chunk_store_path (store), INCOMING_DIRECTORY, NULL);

  if (mkdir (path, 0750) < 0 && errno != EEXIST)
    {
      fail_errno (error, "make %s", path);
      return -1;
    }
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  g_autoptr (GDir) directory = fd >= 0 ? g_dir_open (path, 0, NULL) : NULL;
  const char *name;
  gboolean ok = directory || fail_errno (error, "%s", path);
  while (ok && (name = g_dir_read_name (directory)))
    ok = unlinkat (fd, name, 0) == 0 || fail_errno (error, "remove %s/%s", path, name);
  if (!ok && fd >= 0)
    close (fd);
  return ok ? fd : -1;
}

/* The directory in the store that chunk FILE will be in.  */
static gboolean
make_chunk_directory (ChunkStore *store, const char *file, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (file);

  return mkdirat (chunk_store_fd (store), directory, 0750) == 0 || errno == EEXIST
         || fail_errno (error, "make %s/%s", chunk_store_path (store), directory);
}

/* Move ID, whose bytes are on the disk, to its name in the store.  A store that fills needs a new
   directory for almost each chunk, so one that was not seen yet is made beforehand.  */
static gboolean
name_chunk (IncomingChunks *incoming, const ChunkId *id, GError **error)
{
  guint8 *has_directory = &incoming->has_directory[id->bytes[0] << 8 | id->bytes[1]];
  int store_fd = chunk_store_fd (incoming->store);
  char file[CHUNK_FILE_SIZE], hex[CHUNK_HEX_SIZE];

  chunk_id_to_hex (id, hex);
  chunk_store_file (id, file);
  if (!*has_directory && !make_chunk_directory (incoming->store, file, error))
    return FALSE;
  *has_directory = TRUE;
  if (renameat (incoming->fd, hex, store_fd, file) == 0)
    return TRUE;
  if (errno == ENOENT && faccessat (incoming->fd, hex, F_OK, 0) < 0)
    return TRUE; // it was added twice, or somebody has removed it
  return make_chunk_directory (incoming->store, file, error)
         && (renameat (incoming->fd, hex, store_fd, file) == 0
             || fail_errno (error, "%s/%s", chunk_store_path (incoming->store), file));
}

static gboolean
sync_store (IncomingChunks *incoming, GError **error)
{
  return syncfs (incoming->fd) == 0
         || fail_errno (error, "write %s to the disk", chunk_store_path (incoming->store));
}

/* The first N of IDS are in the store.  */
static void
forget (IncomingChunks *incoming, GArray *ids, guint n)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&incoming->lock);

  for (guint i = 0; i < n; i++)
    g_hash_table_remove (incoming->present, &g_array_index (ids, ChunkId, i));
  g_array_remove_range (ids, 0, n);
}

/* Move IDS into the store; those that went leave the array.  */
static gboolean
store_chunks (IncomingChunks *incoming, GArray *ids, GError **error)
{
  int lock = chunk_store_lock (incoming->store, CHUNK_STORE_LOCK_ADD, error);
  guint done = 0;

  if (lock < 0)
    return FALSE;
  gboolean ok = sync_store (incoming, error);
  while (ok && done < ids->len)
    {
      ok = name_chunk (incoming, &g_array_index (ids, ChunkId, done), error);
      done += ok;
    }
  close (lock);
  forget (incoming, ids, done);
  return ok;
}

/* Put back IDS, which could not be stored.  */
static void
put_back (IncomingChunks *incoming, const GArray *ids)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&incoming->lock);

  if (ids->len > 0)
    g_array_append_vals (incoming->added, ids->data, ids->len);
}

static gboolean
flush (IncomingChunks *incoming, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&incoming->flush_lock);

  g_mutex_lock (&incoming->lock);
  g_autoptr (GArray) ids = incoming->added;
  incoming->added = g_array_new (FALSE, FALSE, sizeof (ChunkId));
  incoming->added_bytes = 0;
  g_mutex_unlock (&incoming->lock);
  gboolean ok = ids->len == 0 || store_chunks (incoming, ids, error);
  put_back (incoming, ids);
  return ok;
}

/* Wait until there is something to flush, and then for its time.  FALSE at the end.  */
static gboolean
wait_for_work (IncomingChunks *incoming)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&incoming->lock);

  while (!incoming->is_ending && incoming->added->len == 0)
    g_cond_wait (&incoming->changed, &incoming->lock);
  gint64 end = g_get_monotonic_time () + FLUSH_INTERVAL;
  while (!incoming->is_ending && incoming->added_bytes < FLUSH_BYTES
         && g_cond_wait_until (&incoming->changed, &incoming->lock, end))
    ;
  return !incoming->is_ending;
}

static gpointer
flush_until_ended (gpointer data)
{
  IncomingChunks *incoming = data;
  gboolean was_well = TRUE;

  while (wait_for_work (incoming))
    {
      g_autoptr (GError) error = NULL;
      gboolean is_well = flush (incoming, &error);
      if (!is_well && was_well)
        g_message ("chunks that were fetched are not in the store yet: %s", error->message);
      was_well = is_well;
    }
  return NULL;
}

IncomingChunks *
incoming_chunks_new (ChunkStore *store, GError **error)
{
  int fd = open_empty (store, error);

  if (fd < 0)
    return NULL;
  IncomingChunks *incoming = g_new0 (IncomingChunks, 1);
  incoming->store = store;
  incoming->fd = fd;
  g_mutex_init (&incoming->flush_lock);
  g_mutex_init (&incoming->lock);
  g_cond_init (&incoming->changed);
  incoming->added = g_array_new (FALSE, FALSE, sizeof (ChunkId));
  incoming->present = g_hash_table_new_full (chunk_id_hash, chunk_id_equal, g_free, NULL);
  incoming->flusher = g_thread_new ("incoming", flush_until_ended, incoming);
  return incoming;
}

void
incoming_chunks_free (IncomingChunks *incoming)
{
  if (!incoming)
    return;
  g_mutex_lock (&incoming->lock);
  incoming->is_ending = TRUE;
  g_cond_signal (&incoming->changed);
  g_mutex_unlock (&incoming->lock);
  g_thread_join (incoming->flusher);
  close (incoming->fd);
  g_array_unref (incoming->added);
  g_hash_table_unref (incoming->present);
  g_mutex_clear (&incoming->flush_lock);
  g_mutex_clear (&incoming->lock);
  g_cond_clear (&incoming->changed);
  g_free (incoming);
}

static gboolean
write_frame (IncomingChunks *incoming, const char *hex, const guint8 *frame, gsize size)
{
  char temporary[16];

  g_snprintf (temporary, sizeof temporary, "new-%u",
              __atomic_fetch_add (&incoming->next_temporary, 1, __ATOMIC_RELAXED));
  int fd = openat (incoming->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (file_write_and_close (fd, frame, size)
      && renameat (incoming->fd, temporary, incoming->fd, hex) == 0)
    return TRUE;
  int saved = errno;
  unlinkat (incoming->fd, temporary, 0);
  errno = saved;
  return FALSE;
}

gboolean
incoming_chunks_add (IncomingChunks *incoming, const ChunkId *id, const guint8 *frame, gsize size,
                     GError **error)
{
  char hex[CHUNK_HEX_SIZE];

  chunk_id_to_hex (id, hex);
  if (!write_frame (incoming, hex, frame, size))
    return fail_errno (error, "write chunk %s to %s", hex, chunk_store_path (incoming->store));
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&incoming->lock);
  g_array_append_val (incoming->added, *id);
  g_hash_table_add (incoming->present, g_memdup2 (id, sizeof *id));
  incoming->added_bytes += size;
  if (incoming->added->len == 1 || incoming->added_bytes >= FLUSH_BYTES)
    g_cond_signal (&incoming->changed);
  return TRUE;
}

gboolean
incoming_chunks_has (IncomingChunks *incoming, const ChunkId *id)
{
  g_mutex_lock (&incoming->lock);
  gboolean is_present = g_hash_table_contains (incoming->present, id);
  g_mutex_unlock (&incoming->lock);
  return is_present || chunk_store_keeps (incoming->store, id);
}

gboolean
incoming_chunks_flush (IncomingChunks *incoming, GError **error)
{
  return flush (incoming, error) && sync_store (incoming, error);
}
