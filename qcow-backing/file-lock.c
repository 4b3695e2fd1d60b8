// SPDX-License-Identifier: GPL-2.0-or-later
// Locks between processes: flock on a file of its own, so that they end with whoever holds them.

#include "file-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fail.h"

int
file_lock (int directory_fd, const char *path, int operation, const char *waiting_for,
           GError **error)
{
  int fd = openat (directory_fd, path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  int status = -1;

  if (fd >= 0)
    {
      status = flock (fd, operation | LOCK_NB);
      gboolean is_to_wait = (operation & LOCK_NB) == 0;
      if (status < 0 && errno == EWOULDBLOCK && is_to_wait && waiting_for)
        g_message ("waiting for %s", waiting_for);
      while (status < 0 && (errno == EINTR || (errno == EWOULDBLOCK && is_to_wait)))
        status = flock (fd, operation);
    }
  if (status < 0)
    {
      fail_errno (error, "lock %s", path);
      if (fd >= 0)
        close (fd);
      return -1;
    }
  return fd;
}
