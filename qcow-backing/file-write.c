// SPDX-License-Identifier: GPL-2.0-or-later
// Writing files: all of the bytes or an error, and so that a power cut leaves the old file or the
// new one.

#include "file-write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"

static gboolean
write_all (int fd, const char *data, gsize size)
{
  while (size > 0)
    {
      gssize n = write (fd, data, size);
      if (n < 0 && errno != EINTR)
        return FALSE;
      data += n > 0 ? n : 0;
      size -= n > 0 ? (gsize)n : 0;
    }
  return TRUE;
}

/* Close FD.  Whether OK, which is so far, still holds; errno is that of the first failure.  */
static gboolean
close_after (int fd, gboolean ok)
{
  int saved = errno;

  if (close (fd) < 0 && ok)
    return FALSE;
  errno = saved;
  return ok;
}

gboolean
file_write_and_close (int fd, const void *data, gsize size)
{
  return fd >= 0 && close_after (fd, write_all (fd, data, size));
}

/* Open directory PATH for SYNC, fsync or syncfs, and do it.  */
static gboolean
sync_directory (const char *path, int (*sync) (int fd), GError **error)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  return (fd >= 0 && close_after (fd, sync (fd) == 0))
         || fail_errno (error, "write %s to the disk", path);
}

gboolean
file_write_durably (const char *path, const void *data, gsize size, int mode, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *temporary = g_strdup_printf ("%s.XXXXXX", path);
  int fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, mode);

  if (fd < 0)
    return fail_errno (error, "make %s", path);
  gboolean ok = close_after (fd, write_all (fd, data, size) && fchmod (fd, (mode_t)mode) == 0
                                     && fsync (fd) == 0);
  if (!ok || rename (temporary, path) < 0)
    {
      fail_errno (error, "write %s", path);
      unlink (temporary);
      return FALSE;
    }
  return sync_directory (directory, fsync, error);
}

gboolean
file_system_sync (const char *path, GError **error)
{
  return sync_directory (path, syncfs, error);
}
