// SPDX-License-Identifier: GPL-2.0-or-later
// Directories by descriptor, in places whose owner the caller does not trust: no link is followed.

#include "directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DISK_RESERVE_PART 10 // of the disk, that is left free

int
directory_open (int parent_fd, const char *name)
{
  return openat (parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

GPtrArray *
directory_names (int fd)
{
  // Of its own, so that FD's offset stays where it is.
  int copy = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = copy < 0 ? NULL : fdopendir (copy);
  const struct dirent *entry;

  if (!directory)
    {
      if (copy >= 0)
        close (copy);
      return NULL;
    }
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  while ((entry = readdir (directory)))
    if (!g_str_equal (entry->d_name, ".") && !g_str_equal (entry->d_name, ".."))
      g_ptr_array_add (names, g_strdup (entry->d_name));
  closedir (directory);
  return names;
}

gboolean
directory_empty (int fd)
{
  g_autoptr (GPtrArray) names = directory_names (fd);
  int failure = names ? 0 : errno;

  for (guint i = 0; names && i < names->len; i++)
    if (unlinkat (fd, names->pdata[i], 0) < 0 && errno != ENOENT)
      failure = errno;
  errno = failure;
  return failure == 0;
}

guint64
directory_room_bytes (int fd)
{
  struct statvfs status;

  if (fstatvfs (fd, &status) < 0)
    return 0;
  guint64 reserve = (guint64)status.f_blocks / DISK_RESERVE_PART;
  return status.f_bavail > reserve ? (status.f_bavail - reserve) * status.f_frsize : 0;
}

/* Whether somebody has locked bytes of the file NAME in FD; whoever cannot be asked has.  */
static gboolean
file_is_held (int fd, const char *name)
{
  int file = openat (fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET }; // of all its bytes

  if (file < 0) // no link and no socket is an overlay
    return errno != ENOENT && errno != ELOOP && errno != ENXIO;
  gboolean held = fcntl (file, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
  close (file);
  return held;
}

gboolean
directory_is_held (int fd)
{
  g_autoptr (GPtrArray) files = directory_names (fd);
  gboolean held = files == NULL;

  for (guint i = 0; !held && i < files->len; i++)
    held = file_is_held (fd, files->pdata[i]);
  return held;
}
