// SPDX-License-Identifier: GPL-2.0-or-later
// The C library's names for the calls that change files, also those that its headers make of them
// for large files and with _FORTIFY_SOURCE: all end in disk-layer.c.

#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk-layer.h"

// The headers declare these only for the C library's own macros.
int __open_2 (const char *path, int flags);
int __open64_2 (const char *path, int flags);
int __openat_2 (int fd, const char *path, int flags);
int __openat64_2 (int fd, const char *path, int flags);

#define MODE_ARGUMENT(flags, mode)                                                                 \
  mode_t mode = 0;                                                                                 \
  if (flags & (O_CREAT | __O_TMPFILE))                                                             \
    {                                                                                              \
      va_list args;                                                                                \
      va_start (args, flags);                                                                      \
      mode = va_arg (args, mode_t);                                                                \
      va_end (args);                                                                               \
    }

int
open (const char *path, int flags, ...)
{
  MODE_ARGUMENT (flags, mode)
  return layer_open (AT_FDCWD, path, flags, mode);
}

int
open64 (const char *path, int flags, ...)
{
  MODE_ARGUMENT (flags, mode)
  return layer_open (AT_FDCWD, path, flags, mode);
}

int
openat (int fd, const char *path, int flags, ...)
{
  MODE_ARGUMENT (flags, mode)
  return layer_open (fd, path, flags, mode);
}

int
openat64 (int fd, const char *path, int flags, ...)
{
  MODE_ARGUMENT (flags, mode)
  return layer_open (fd, path, flags, mode);
}

int
__open_2 (const char *path, int flags)
{
  return layer_open (AT_FDCWD, path, flags, 0);
}

int
__open64_2 (const char *path, int flags)
{
  return layer_open (AT_FDCWD, path, flags, 0);
}

int
__openat_2 (int fd, const char *path, int flags)
{
  return layer_open (fd, path, flags, 0);
}

int
__openat64_2 (int fd, const char *path, int flags)
{
  return layer_open (fd, path, flags, 0);
}

int
creat (const char *path, mode_t mode)
{
  return layer_open (AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int
creat64 (const char *path, mode_t mode)
{
  return layer_open (AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

ssize_t
write (int fd, const void *data, size_t size)
{
  return layer_write (fd, data, size, -1);
}

ssize_t
pwrite (int fd, const void *data, size_t size, off_t offset)
{
  return layer_write (fd, data, size, offset);
}

ssize_t
pwrite64 (int fd, const void *data, size_t size, off64_t offset)
{
  return layer_write (fd, data, size, offset);
}

/* To a file the first part alone, as a kernel may do; the caller goes on with the rest.  */
ssize_t
writev (int fd, const struct iovec *parts, int n)
{
  int i = 0;

  if (!layer_has (fd))
    return syscall (SYS_writev, fd, parts, n);
  while (i < n - 1 && parts[i].iov_len == 0)
    i++;
  return n > 0 ? layer_write (fd, parts[i].iov_base, parts[i].iov_len, -1) : 0;
}

int
rename (const char *from, const char *to)
{
  return layer_rename (AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
renameat (int from_fd, const char *from, int to_fd, const char *to)
{
  return layer_rename (from_fd, from, to_fd, to, 0);
}

int
renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
  return layer_rename (from_fd, from, to_fd, to, flags);
}

int
link (const char *from, const char *to)
{
  return layer_link (AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
linkat (int from_fd, const char *from, int to_fd, const char *to, int flags)
{
  return layer_link (from_fd, from, to_fd, to, flags);
}

int
unlink (const char *path)
{
  return layer_unlink (AT_FDCWD, path, 0);
}

int
unlinkat (int fd, const char *path, int flags)
{
  return layer_unlink (fd, path, flags);
}

int
rmdir (const char *path)
{
  return layer_unlink (AT_FDCWD, path, AT_REMOVEDIR);
}

int
remove (const char *path)
{
  struct stat status;
  int is_directory = lstat (path, &status) == 0 && S_ISDIR (status.st_mode);

  return layer_unlink (AT_FDCWD, path, is_directory ? AT_REMOVEDIR : 0);
}

int
mkdir (const char *path, mode_t mode)
{
  return layer_mkdir (AT_FDCWD, path, mode);
}

int
mkdirat (int fd, const char *path, mode_t mode)
{
  return layer_mkdir (fd, path, mode);
}

int
ftruncate (int fd, off_t size)
{
  return layer_truncate (fd, size);
}

int
ftruncate64 (int fd, off64_t size)
{
  return layer_truncate (fd, size);
}

int
fchmod (int fd, mode_t mode)
{
  return layer_chmod (fd, mode);
}

int
fsync (int fd)
{
  return layer_sync (fd, SYS_fsync);
}

int
fdatasync (int fd)
{
  return layer_sync (fd, SYS_fdatasync);
}

int
syncfs (int fd)
{
  return layer_sync (fd, SYS_syncfs);
}

int
close (int fd)
{
  return layer_close (fd);
}
