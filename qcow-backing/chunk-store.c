// SPDX-License-Identifier: GPL-2.0-or-later
// The chunk store: a directory of zstd files in casync's layout, dca9/dca99f3c….cacnk.

#include "chunk-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunk-frame.h"
#include "fail.h"
#include "file-lock.h"

#define PREFIX_SIZE 4 // hexadecimal digits of the id that name its directory
#define SUFFIX      ".cacnk"
#define LOCK_FILE   ".lock"

G_DEFINE_QUARK (gild_chunk_store_error, chunk_store_error)

struct ChunkStore
{
  char *path;
  int fd;
};

ChunkStore *
chunk_store_open (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    {
      fail_errno (error, "chunk store %s", path);
      return NULL;
    }
  ChunkStore *store = g_new (ChunkStore, 1);
  store->path = g_strdup (path);
  store->fd = fd;
  return store;
}

void
chunk_store_free (ChunkStore *store)
{
  if (!store)
    return;
  close (store->fd);
  g_free (store->path);
  g_free (store);
}

int
chunk_store_fd (const ChunkStore *store)
{
  return store->fd;
}

const char *
chunk_store_path (const ChunkStore *store)
{
  return store->path;
}

void
chunk_store_file (const ChunkId *id, char file[CHUNK_FILE_SIZE])
{
  char *hex = file + PREFIX_SIZE + 1;

  chunk_id_to_hex (id, hex);
  memcpy (file, hex, PREFIX_SIZE);
  file[PREFIX_SIZE] = '/';
  memcpy (hex + 2 * CHUNK_ID_SIZE, SUFFIX, sizeof SUFFIX);
}

/* The file that chunk ID has before it is in the store: ".incoming/dca99f3c…".  */
#define INCOMING_FILE_SIZE (sizeof INCOMING_DIRECTORY "/" + CHUNK_HEX_SIZE)

static void
incoming_file (const ChunkId *id, char file[INCOMING_FILE_SIZE])
{
  memcpy (file, INCOMING_DIRECTORY "/", sizeof INCOMING_DIRECTORY);
  chunk_id_to_hex (id, file + sizeof INCOMING_DIRECTORY);
}

gboolean
chunk_store_keeps (ChunkStore *store, const ChunkId *id)
{
  char file[CHUNK_FILE_SIZE];

  chunk_store_file (id, file);
  return faccessat (store->fd, file, F_OK, 0) == 0;
}

gboolean
chunk_store_has (ChunkStore *store, const ChunkId *id)
{
  char incoming[INCOMING_FILE_SIZE];

  incoming_file (id, incoming);
  return chunk_store_keeps (store, id) || faccessat (store->fd, incoming, F_OK, 0) == 0
         || chunk_store_keeps (store, id); // it may have moved between the two
}

gssize
chunk_store_read_file (ChunkStore *store, const char *file, guint8 *frame, gsize room)
{
  int fd = openat (store->fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  gsize size = 0;
  gssize n = 0;

  if (fd < 0)
    return -1;
  // Two reads for each chunk, the second finding the end, cost less than fstat and one read.
  while (size < room
         && ((n = read (fd, frame + size, room - size)) > 0 || (n < 0 && errno == EINTR)))
    size += n > 0 ? (gsize)n : 0;
  int saved = errno;
  close (fd);
  errno = saved;
  return n < 0 ? -1 : (gssize)size;
}

gssize
chunk_store_read_frame (ChunkStore *store, const ChunkId *id, guint8 *frame, gsize room)
{
  char file[CHUNK_FILE_SIZE], incoming[INCOMING_FILE_SIZE];

  chunk_store_file (id, file);
  gssize size = chunk_store_read_file (store, file, frame, room);
  if (size >= 0 || errno != ENOENT)
    return size;
  incoming_file (id, incoming);
  size = chunk_store_read_file (store, incoming, frame, room);
  if (size >= 0 || errno != ENOENT)
    return size;
  return chunk_store_read_file (store, file, frame, room); // it may have moved between the two
}

static gboolean
fail_damaged (ChunkStore *store, const char *file, const char *why, GError **error)
{
  g_set_error (error, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_DAMAGED, "chunk %s/%s is damaged (%s)",
               store->path, file, why);
  return FALSE;
}

static gboolean
fail_unreadable (ChunkStore *store, const char *file, GError **error)
{
  int saved = errno;

  if (saved == ELOOP || saved == EISDIR || saved == ENXIO)
    return fail_damaged (store, file, "it is no file", error);
  if (saved == ENOENT)
    g_set_error (error, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_MISSING, "chunk %s/%s is missing",
                 store->path, file);
  else if (saved == EIO || saved == EBADMSG || saved == EUCLEAN) // the last two: file systems' own
    g_set_error (error, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_UNREADABLE,
                 "chunk %s/%s cannot be read (%s)", store->path, file, g_strerror (saved));
  else
    return fail_errno (error, "chunk %s/%s", store->path, file);
  return FALSE;
}

/* Read chunk ID into BUFFER, which has room for *SIZE bytes; *SIZE becomes its size.  Errors name
   FILE, where the store has it or would.  */
static gboolean
read_chunk (ChunkStore *store, const ChunkId *id, const char *file, ChunkReadCheck check,
            guint8 *buffer, gsize *size, GError **error)
{
  guint8 frame[CHUNK_FRAME_SIZE_MAX + 1];
  gssize frame_size = chunk_store_read_frame (store, id, frame, sizeof frame);
  g_autoptr (GError) cause = NULL;

  if (frame_size < 0)
    return fail_unreadable (store, file, error);
  if (frame_size > (gssize)CHUNK_FRAME_SIZE_MAX)
    return fail_damaged (store, file, "it is too long", error);
  if (!chunk_frame_decode (frame, (gsize)frame_size, buffer, size, &cause))
    return fail_damaged (store, file, cause->message, error);
  if (check == CHUNK_READ_TRUST_CHECKSUM && chunk_frame_has_checksum (frame))
    return TRUE;
  ChunkId actual = chunk_id_of (buffer, *size);
  if (!chunk_id_equal (&actual, id))
    return fail_damaged (store, file, "its SHA-256 is not its name", error);
  return TRUE;
}

gboolean
chunk_store_read (ChunkStore *store, const ChunkId *id, ChunkReadCheck check, guint8 *buffer,
                  gsize size, GError **error)
{
  char file[CHUNK_FILE_SIZE];
  gsize actual = size;

  chunk_store_file (id, file);
  return read_chunk (store, id, file, check, buffer, &actual, error)
         && (actual == size || fail_damaged (store, file, "its size is wrong", error));
}

gboolean
chunk_store_check (ChunkStore *store, const ChunkId *id, GError **error)
{
  guint8 buffer[CHUNK_SIZE];
  char file[CHUNK_FILE_SIZE];
  gsize size = sizeof buffer;

  chunk_store_file (id, file);
  return read_chunk (store, id, file, CHUNK_READ_HASH, buffer, &size, error);
}

int
chunk_store_lock (ChunkStore *store, ChunkStoreLock mode, GError **error)
{
  static const int OPERATIONS[] = {
    [CHUNK_STORE_LOCK_ADD] = LOCK_SH,
    [CHUNK_STORE_LOCK_TRY_ADD] = LOCK_SH | LOCK_NB,
    [CHUNK_STORE_LOCK_COLLECT] = LOCK_EX,
  };
  int fd = file_lock (store->fd, LOCK_FILE, OPERATIONS[mode],
                      "another gild to be done with the store", error);

  if (fd < 0)
    g_prefix_error (error, "%s: ", store->path);
  return fd;
}

gboolean
chunk_store_parse_name (const char *name, ChunkId *id)
{
  char hex[CHUNK_HEX_SIZE];

  if (strlen (name) != 2 * CHUNK_ID_SIZE + strlen (SUFFIX) || !g_str_has_suffix (name, SUFFIX))
    return FALSE;
  memcpy (hex, name, 2 * CHUNK_ID_SIZE);
  hex[2 * CHUNK_ID_SIZE] = '\0';
  return chunk_id_from_hex (hex, id);
}

static DIR *
open_directory_at (int fd, const char *name)
{
  int child = openat (fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  DIR *directory = child >= 0 ? fdopendir (child) : NULL;

  if (child >= 0 && !directory)
    close (child);
  return directory;
}

static gboolean
foreach_in_prefix (ChunkStore *store, const char *prefix, ChunkStoreFunc func, gpointer data,
                   GError **error)
{
  DIR *directory = open_directory_at (store->fd, prefix);
  struct dirent *entry;
  gboolean ok = TRUE;
  ChunkId id;

  if (!directory)
    return errno == ENOENT || fail_errno (error, "%s/%s", store->path, prefix);
  while (ok && (errno = 0, entry = readdir (directory)))
    if (g_str_has_prefix (entry->d_name, prefix) && chunk_store_parse_name (entry->d_name, &id))
      ok = func (&id, data, error);
  if (ok && errno)
    ok = fail_errno (error, "%s/%s", store->path, prefix);
  closedir (directory);
  return ok;
}

gboolean
chunk_store_foreach (ChunkStore *store, ChunkStoreFunc func, gpointer data, GError **error)
{
  DIR *directory = open_directory_at (store->fd, ".");
  struct dirent *entry;
  gboolean ok = TRUE;

  if (!directory)
    return fail_errno (error, "%s", store->path);
  while (ok && (errno = 0, entry = readdir (directory)))
    if (strlen (entry->d_name) == PREFIX_SIZE
        && strspn (entry->d_name, "0123456789abcdef") == PREFIX_SIZE)
      ok = foreach_in_prefix (store, entry->d_name, func, data, error);
    else
      errno = 0;
  if (ok && errno)
    ok = fail_errno (error, "%s", store->path);
  closedir (directory);
  return ok;
}

gboolean
chunk_store_remove (ChunkStore *store, const ChunkId *id, guint64 *freed_bytes, GError **error)
{
  char file[CHUNK_FILE_SIZE];
  struct stat status;

  chunk_store_file (id, file);
  if (fstatat (store->fd, file, &status, AT_SYMLINK_NOFOLLOW) < 0
      || unlinkat (store->fd, file, 0) < 0)
    return fail_errno (error, "%s/%s", store->path, file);
  *freed_bytes = (guint64)status.st_blocks * 512;
  file[PREFIX_SIZE] = '\0';
  unlinkat (store->fd, file, AT_REMOVEDIR); // only an empty one goes
  return TRUE;
}
