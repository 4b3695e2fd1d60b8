// SPDX-License-Identifier: GPL-2.0-or-later
// Where the bytes of a file lie on a disk, as the file system tells (FIEMAP).

#include "file-extents.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#define EXTENTS_MAX 64u // asked for at a time

/* What an extent may be whose bytes are those of the disk at its place, or zero.  */
#define PLAIN_FLAGS                                                                                \
  (FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED | FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_SHARED)

typedef struct
{
  struct fiemap head;
  struct fiemap_extent extents[EXTENTS_MAX];
} Extents;

/* Whether the places that the file system of FD tells are places on its device: those of btrfs are
   not.  */
static gboolean
tells_places (int fd)
{
  struct statfs status;

  return fstatfs (fd, &status) == 0
         && (status.f_type == EXT4_SUPER_MAGIC || status.f_type == XFS_SUPER_MAGIC);
}

static gboolean
get_extents (int fd, guint64 start, Extents *extents)
{
  memset (&extents->head, 0, sizeof extents->head);
  extents->head.fm_start = start;
  extents->head.fm_length = FIEMAP_MAX_OFFSET - start;
  extents->head.fm_extent_count = EXTENTS_MAX;
  return ioctl (fd, FS_IOC_FIEMAP, &extents->head) == 0
         && extents->head.fm_mapped_extents <= EXTENTS_MAX;
}

/* Whether the SIZE bytes at OFFSET are in chunks that both indexes have.  */
static gboolean
chunks_are_same (const Index *old, const Index *new, guint64 offset, guint64 size)
{
  guint64 n_chunks = MIN (index_n_chunks (old), index_n_chunks (new)), end;

  if (size == 0 || !g_uint64_checked_add (&end, offset, size) || (end - 1) / CHUNK_SIZE >= n_chunks)
    return FALSE;
  for (gsize i = offset / CHUNK_SIZE; i <= (end - 1) / CHUNK_SIZE; i++)
    if (!chunk_id_equal (index_chunk_id (old, i), index_chunk_id (new, i)))
      return FALSE;
  return TRUE;
}

static gboolean
extent_is_same (const struct fiemap_extent *old, const ExtentDisk *old_disk,
                const struct fiemap_extent *new, const ExtentDisk *new_disk)
{
  guint64 old_offset, new_offset;

  if (old->fe_logical != new->fe_logical || old->fe_length != new->fe_length
      || ((old->fe_flags ^ new->fe_flags) & FIEMAP_EXTENT_UNWRITTEN) != 0
      || ((old->fe_flags | new->fe_flags) & ~(guint32)PLAIN_FLAGS) != 0)
    return FALSE;
  if ((old->fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0)
    return TRUE; // zeros on both sides
  return g_uint64_checked_add (&old_offset, old_disk->offset_bytes, old->fe_physical)
         && g_uint64_checked_add (&new_offset, new_disk->offset_bytes, new->fe_physical)
         && old_offset == new_offset
         && chunks_are_same (old_disk->index, new_disk->index, old_offset, old->fe_length);
}

gboolean
file_extents_are_same (int old_fd, const ExtentDisk *old_disk, int new_fd,
                       const ExtentDisk *new_disk)
{
  Extents old, new;
  guint64 start = 0;

  if (!tells_places (old_fd) || !tells_places (new_fd))
    return FALSE;
  for (;;)
    {
      if (!get_extents (old_fd, start, &old) || !get_extents (new_fd, start, &new)
          || old.head.fm_mapped_extents != new.head.fm_mapped_extents)
        return FALSE;
      guint n = old.head.fm_mapped_extents;
      for (guint i = 0; i < n; i++)
        if (!extent_is_same (&old.extents[i], old_disk, &new.extents[i], new_disk))
          return FALSE;
      if (n < EXTENTS_MAX)
        return TRUE; // there are no more; what no extent has is a hole, of both
      guint64 next = old.extents[n - 1].fe_logical + old.extents[n - 1].fe_length;
      if (next <= start)
        return FALSE;
      start = next;
    }
}
