// SPDX-License-Identifier: GPL-2.0-or-later
// Reading a file whole that somebody else may have put there.

#include "file-read.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"

char *
file_read (const char *path, gsize max, gsize *size, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status;
  gsize done = 0;
  gssize n;

  if (fd < 0 || fstat (fd, &status) < 0)
    {
      fail_errno (error, "%s", path);
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  if (!S_ISREG (status.st_mode) || (guint64)status.st_size > max)
    {
      fail (error, "%s: it is too large or no file", path);
      close (fd);
      return NULL;
    }
  g_autofree char *text = g_malloc ((gsize)status.st_size + 1);
  for (; done < (gsize)status.st_size; done += (gsize)n)
    if ((n = read (fd, text + done, (gsize)status.st_size - done)) <= 0)
      break;
  close (fd);
  if (done != (gsize)status.st_size)
    {
      fail (error, "%s: cannot be read whole", path);
      return NULL;
    }
  text[done] = '\0';
  if (size)
    *size = done;
  return g_steal_pointer (&text);
}
