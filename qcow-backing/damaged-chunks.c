// SPDX-License-Identifier: GPL-2.0-or-later
// Damaged chunks: mended where their bytes can be had, else set aside in STORE/.damaged.
//
// Nothing here is flushed: of a rename that a power cut undoes the chunk is damaged in its old
// place again, and is found again.

#include "damaged-chunks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunk-frame.h"
#include "fail.h"

/* ".damaged/dca99f3c….cacnk" */
static char *
set_aside_file (const ChunkId *id)
{
  char file[CHUNK_FILE_SIZE];

  chunk_store_file (id, file);
  return g_strconcat (DAMAGED_DIRECTORY, strchr (file, '/'), NULL);
}

/* What can be had of FILE; the SHA-256 decides whether these are the bytes of ID.  */
static gboolean
salvage_file (ChunkStore *store, const char *file, const ChunkId *id, guint8 buffer[CHUNK_SIZE],
              gsize *size)
{
  guint8 frame[CHUNK_FRAME_SIZE_MAX];
  gssize n = chunk_store_read_file (store, file, frame, sizeof frame);

  if (n < 0 || !chunk_frame_salvage (frame, (gsize)n, buffer, size))
    return FALSE;
  ChunkId actual = chunk_id_of (buffer, *size);
  return chunk_id_equal (&actual, id);
}

gboolean
damaged_chunk_salvage (ChunkStore *store, const ChunkId *id, guint8 buffer[CHUNK_SIZE], gsize *size)
{
  g_autofree char *aside = set_aside_file (id);
  char file[CHUNK_FILE_SIZE];
  gsize wanted = *size ? *size : CHUNK_SIZE;
  ChunkId zeros = chunk_id_of_zeros (wanted);

  chunk_store_file (id, file);
  if (salvage_file (store, file, id, buffer, size) || salvage_file (store, aside, id, buffer, size))
    return TRUE;
  memset (buffer, 0, wanted);
  *size = wanted;
  return chunk_id_equal (&zeros, id);
}

static gboolean
set_aside (ChunkStore *store, const ChunkId *id, GError **error)
{
  g_autofree char *aside = set_aside_file (id);
  char file[CHUNK_FILE_SIZE];
  int fd = chunk_store_fd (store);

  chunk_store_file (id, file);
  if (unlinkat (fd, file, AT_REMOVEDIR) == 0) // an empty directory: nothing to be kept
    return TRUE;
  if (mkdirat (fd, DAMAGED_DIRECTORY, 0750) < 0 && errno != EEXIST)
    return fail_errno (error, "make %s/%s", chunk_store_path (store), DAMAGED_DIRECTORY);
  return renameat (fd, file, fd, aside) == 0
         || fail_errno (error, "move %s/%s to %s", chunk_store_path (store), file, aside);
}

static gboolean
is_directory (ChunkStore *store, const ChunkId *id)
{
  char file[CHUNK_FILE_SIZE];
  struct stat status;

  chunk_store_file (id, file);
  return fstatat (chunk_store_fd (store), file, &status, AT_SYMLINK_NOFOLLOW) == 0
         && S_ISDIR (status.st_mode);
}

gboolean
damaged_chunk_rebuild (ChunkStore *store, const ChunkId *id, const guint8 *data, gsize size,
                       ChunkStaging **staging, GError **error)
{
  // A file is replaced when the staging is committed, so that its bytes never are nowhere; a
  // directory cannot be replaced.
  if (is_directory (store, id) && !set_aside (store, id, error))
    return FALSE;
  if (!*staging)
    *staging = chunk_staging_new (store, error);
  return *staging && chunk_staging_replace (*staging, id, data, size, error);
}

gboolean
damaged_chunk_mend (ChunkStore *store, const ChunkId *id, gsize size, gboolean take_unreadable,
                    ChunkStaging **staging, ChunkFate *fate, GError **error)
{
  g_autoptr (GError) cause = NULL;
  guint8 buffer[CHUNK_SIZE];

  *fate = CHUNK_IS_WHOLE;
  if (chunk_store_check (store, id, &cause))
    return TRUE;
  gboolean is_missing = g_error_matches (cause, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_MISSING);
  gboolean is_unreadable = g_error_matches (cause, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_UNREADABLE);
  if (cause->domain != CHUNK_STORE_ERROR || (is_unreadable && !take_unreadable))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (damaged_chunk_salvage (store, id, buffer, &size))
    {
      *fate = CHUNK_IS_REBUILT;
      return damaged_chunk_rebuild (store, id, buffer, size, staging, error);
    }
  *fate = is_missing ? CHUNK_IS_MISSING : CHUNK_IS_SET_ASIDE;
  return is_missing || set_aside (store, id, error);
}

gboolean
damaged_chunks_foreach (ChunkStore *store, ChunkStoreFunc func, gpointer data, GError **error)
{
  g_autofree char *path = g_build_filename (chunk_store_path (store), DAMAGED_DIRECTORY, NULL);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) directory = g_dir_open (path, 0, &local_error);
  const char *name;
  ChunkId id;

  while (directory && (name = g_dir_read_name (directory)))
    if (chunk_store_parse_name (name, &id) && !func (&id, data, error))
      return FALSE;
  if (directory || g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

typedef struct
{
  ChunkStore *store;
  guint count;
} Count;

static gboolean
count_missing (const ChunkId *id, gpointer data, GError **error)
{
  Count *count = data;

  count->count += !chunk_store_has (count->store, id);
  return TRUE;
}

gboolean
damaged_chunks_count (ChunkStore *store, guint *count, GError **error)
{
  Count counted = { .store = store };
  gboolean ok = damaged_chunks_foreach (store, count_missing, &counted, error);

  *count = counted.count;
  return ok;
}

gboolean
damaged_chunk_forget (ChunkStore *store, const ChunkId *id, GError **error)
{
  g_autofree char *aside = set_aside_file (id);
  int fd = chunk_store_fd (store);

  if (unlinkat (fd, aside, 0) == 0 || errno == ENOENT)
    {
      unlinkat (fd, DAMAGED_DIRECTORY, AT_REMOVEDIR); // only an empty one goes
      return TRUE;
    }
  return fail_errno (error, "remove %s/%s", chunk_store_path (store), aside);
}
