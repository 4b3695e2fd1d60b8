// SPDX-License-Identifier: GPL-2.0-or-later
// A layer between a program and its disk, by LD_PRELOAD: writes down what the program does below
// one directory, and lets single calls fail.
//
// From the environment:
//   DISK_LAYER_ROOT    the directory, as realpath prints it
//   DISK_LAYER_LOG     a file for the log (disk-log.h), which is added to
//   DISK_LAYER_CALLS   a file for a line "KIND N PATH" for each call that could fail; the N-th of a
//                      KIND, counted over all threads; where a fault is set, for that call alone
//   DISK_LAYER_FAULT   KIND:N:WHAT; WHAT is ENOSPC, EIO, EROFS, `short` (of a write, half of the
//                      bytes) or `kill` (SIGKILL instead of the call).  KIND may be `any`.
//
// A call and its record are one step, so that the log's order is the order on the disk.  Not so the
// syncs, which take their time beside other threads' writes: they have a record at either end. What
// a child does between fork and exec is not seen.  Calls go straight to the kernel (of a 64-bit
// Linux).  What is not here (mmap, fallocate, copy_file_range, links to follow, the C library's own
// calls, as in fwrite or mkstemp) would be missed: power-cuts.sh compares the directory that the
// whole log makes with the real one.

#include "disk-log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "disk-layer.h"

typedef enum
{
  FAULT_NONE,
  FAULT_FAIL, // errno is set
  FAULT_SHORT,
} Fault;

// What a preloaded library knows it can keep nowhere else.
static struct
{
  pid_t pid;
  char root[PATH_MAX];
  int log_fd, calls_fd;
  DiskOpKind fault_kind; // DISK_N_KINDS: any
  guint64 fault_number;  // 0: no fault
  char fault_what[16];
  pthread_mutex_t lock; // guards what follows, and the order of the log
  guint64 n_logged, n_calls[DISK_N_KINDS + 1];
} layer = { .log_fd = -1, .calls_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

static int
open_to_append (const char *path)
{
  return path ? (int)syscall (SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                              0666)
              : -1;
}

__attribute__ ((constructor)) static void
layer_begin (void)
{
  const char *root = getenv ("DISK_LAYER_ROOT"), *fault = getenv ("DISK_LAYER_FAULT");
  char kind[16] = "";

  if (!root)
    return;
  layer.log_fd = open_to_append (getenv ("DISK_LAYER_LOG"));
  layer.calls_fd = open_to_append (getenv ("DISK_LAYER_CALLS"));
  if (fault && sscanf (fault, "%15[^:]:%lu:%15s", kind, &layer.fault_number, layer.fault_what) != 3)
    abort ();
  while (layer.fault_kind < DISK_N_KINDS && strcmp (kind, DISK_OP_NAMES[layer.fault_kind]) != 0)
    layer.fault_kind++;
  strncpy (layer.root, root, sizeof layer.root - 1);
  layer.pid = getpid ();
}

static void
put (int fd, const void *data, size_t size)
{
  if (size > 0 && syscall (SYS_write, fd, data, size) != (long)size)
    abort ();
}

/* PATH without the root, "" for the root itself; NULL where it is not below it.  */
static const char *
below_root (const char *path)
{
  size_t size = strlen (layer.root);

  if (strncmp (path, layer.root, size) != 0 || (path[size] != '/' && path[size] != '\0'))
    return NULL;
  return path[size] == '/' ? path + size + 1 : path + size;
}

/* Take "." and ".." and "//" out of PATH, which is absolute.  */
static void
tidy (char *path)
{
  char copy[PATH_MAX], *end = path, *part, *rest;

  strcpy (copy, path);
  for (part = strtok_r (copy, "/", &rest); part; part = strtok_r (NULL, "/", &rest))
    if (strcmp (part, "..") == 0)
      while (end > path && *--end != '/')
        ;
    else if (strcmp (part, ".") != 0)
      end += sprintf (end, "/%s", part);
  *end = '\0';
}

/* Where FD's file is, below the root; NULL if it is elsewhere or nobody asks.  */
static const char *
path_of_fd (int fd, char buffer[PATH_MAX])
{
  char link[32];
  int saved = errno;

  if (layer.pid == 0 || layer.pid != getpid ())
    return NULL;
  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink (link, buffer, PATH_MAX - 1);
  buffer[size < 0 ? 0 : size] = '\0';
  errno = saved;
  return below_root (buffer);
}

static const char *
path_at (int fd, const char *name, char buffer[PATH_MAX])
{
  char directory[PATH_MAX] = "";

  if (layer.pid == 0 || layer.pid != getpid ())
    return NULL;
  if (name[0] != '/' && fd == AT_FDCWD && !getcwd (directory, sizeof directory))
    return NULL;
  if (name[0] != '/' && fd != AT_FDCWD && !path_of_fd (fd, directory))
    return NULL;
  if (snprintf (buffer, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
    return NULL;
  tidy (buffer);
  return below_root (buffer);
}

/* Count this call of KIND; whether it shall fail.  The lock is held.  */
static Fault
count (DiskOpKind kind, const char *path)
{
  guint64 n = ++layer.n_calls[kind], any = ++layer.n_calls[DISK_N_KINDS];
  gboolean hit =
      layer.fault_number
      && (layer.fault_kind == kind ? n == layer.fault_number
                                   : layer.fault_kind == DISK_N_KINDS && any == layer.fault_number);

  if (layer.calls_fd >= 0 && (hit || layer.fault_number == 0))
    {
      char line[PATH_MAX + 64];
      int size = snprintf (line, sizeof line, "%s %lu %s\n", DISK_OP_NAMES[kind], n, path);
      put (layer.calls_fd, line, (size_t)size);
    }
  if (!hit)
    return FAULT_NONE;
  if (strcmp (layer.fault_what, "kill") == 0)
    raise (SIGKILL);
  if (strcmp (layer.fault_what, "short") == 0)
    return FAULT_SHORT;
  errno = strcmp (layer.fault_what, "ENOSPC") == 0  ? ENOSPC
          : strcmp (layer.fault_what, "EROFS") == 0 ? EROFS
                                                    : EIO;
  return FAULT_FAIL;
}

/* Add OP to the log, with its paths (either may be NULL) and DATA; its number.  The lock is held.
 */
static guint64
record (DiskOp op, const char *path, const char *other, const void *data)
{
  int saved = errno;

  if (layer.log_fd >= 0)
    {
      op.path_size = path ? (guint32)strlen (path) : 0;
      op.other_size = other ? (guint32)strlen (other) : 0;
      put (layer.log_fd, &op, sizeof op);
      put (layer.log_fd, path, op.path_size);
      put (layer.log_fd, other, op.other_size);
      put (layer.log_fd, data, op.data_size);
    }
  errno = saved;
  return layer.n_logged++;
}

static guint64
inode_of (int fd, guint32 *mode)
{
  struct stat status = { 0 };

  fstat (fd, &status);
  *mode = status.st_mode & 07777;
  return status.st_ino;
}

int
layer_open (int directory, const char *name, int flags, mode_t mode)
{
  char buffer[PATH_MAX];
  gboolean changes = (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != 0;
  const char *path = changes ? path_at (directory, name, buffer) : NULL;

  if (!path)
    return (int)syscall (SYS_openat, directory, name, flags, mode);
  pthread_mutex_lock (&layer.lock);
  gboolean existed = syscall (SYS_faccessat, directory, name, F_OK) == 0;
  int fd = -1;
  if (count (DISK_OPEN, path) == FAULT_NONE)
    fd = (int)syscall (SYS_openat, directory, name, flags, mode);
  if (fd >= 0)
    {
      DiskOp op = { .kind = DISK_OPEN,
                    .flags = !existed          ? DISK_CREATED
                             : flags & O_TRUNC ? DISK_TRUNCATED
                                               : 0 };
      op.inode = inode_of (fd, &op.mode);
      record (op, path, NULL, NULL);
    }
  pthread_mutex_unlock (&layer.lock);
  return fd;
}

gboolean
layer_has (int fd)
{
  char buffer[PATH_MAX];

  return path_of_fd (fd, buffer) != NULL;
}

ssize_t
layer_write (int fd, const void *data, size_t size, off_t offset)
{
  char buffer[PATH_MAX];
  const char *path = path_of_fd (fd, buffer);
  DiskOp op = { .kind = DISK_WRITE };
  ssize_t done = -1;
  Fault fault = FAULT_NONE;

  if (path)
    {
      pthread_mutex_lock (&layer.lock);
      op.inode = inode_of (fd, &op.mode);
      off_t at = fcntl (fd, F_GETFL) & O_APPEND ? lseek (fd, 0, SEEK_END) : lseek (fd, 0, SEEK_CUR);
      op.offset = (guint64)(offset < 0 ? at : offset);
      fault = count (DISK_WRITE, path);
    }
  if (fault == FAULT_SHORT)
    size = MAX (size / 2, MIN (size, 1));
  if (fault != FAULT_FAIL)
    done = offset < 0 ? syscall (SYS_write, fd, data, size)
                      : syscall (SYS_pwrite64, fd, data, size, offset);
  if (path)
    {
      op.data_size = done > 0 ? (guint32)done : 0;
      if (done > 0)
        record (op, path, NULL, data);
      pthread_mutex_unlock (&layer.lock);
    }
  return done;
}

/* A system call NUMBER with these arguments that changes the entry or the inode at PATH.  */
static int
change (DiskOp op, const char *path, const char *other, long number, long a, long b, long c, long d,
        long e)
{
  int status = -1;

  if (!path && !other)
    return (int)syscall (number, a, b, c, d, e);
  if (!path || (op.kind == DISK_RENAME && !other))
    abort (); // out of the directory or into it
  pthread_mutex_lock (&layer.lock);
  if (count (op.kind, path) == FAULT_NONE)
    status = (int)syscall (number, a, b, c, d, e);
  if (status == 0)
    record (op, path, other, NULL);
  pthread_mutex_unlock (&layer.lock);
  return status;
}

int
layer_rename (int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
  char buffer[PATH_MAX], other[PATH_MAX];

  if (flags & ~1u) // RENAME_NOREPLACE
    abort ();
  return change ((DiskOp){ .kind = DISK_RENAME }, path_at (from_fd, from, buffer),
                 path_at (to_fd, to, other), SYS_renameat2, from_fd, (long)from, to_fd, (long)to,
                 (long)flags);
}

int
layer_link (int from_fd, const char *from, int to_fd, const char *to, int flags)
{
  char buffer[PATH_MAX], other[PATH_MAX];

  return change ((DiskOp){ .kind = DISK_LINK }, path_at (from_fd, from, buffer),
                 path_at (to_fd, to, other), SYS_linkat, from_fd, (long)from, to_fd, (long)to,
                 flags);
}

int
layer_unlink (int fd, const char *name, int flags)
{
  char buffer[PATH_MAX];

  return change ((DiskOp){ .kind = flags & AT_REMOVEDIR ? DISK_RMDIR : DISK_UNLINK },
                 path_at (fd, name, buffer), NULL, SYS_unlinkat, fd, (long)name, flags, 0, 0);
}

int
layer_mkdir (int fd, const char *name, mode_t mode)
{
  char buffer[PATH_MAX];
  mode_t mask = umask (0);

  umask (mask);
  return change ((DiskOp){ .kind = DISK_MKDIR, .mode = mode & ~mask }, path_at (fd, name, buffer),
                 NULL, SYS_mkdirat, fd, (long)name, (long)mode, 0, 0);
}

int
layer_truncate (int fd, off_t size)
{
  char buffer[PATH_MAX];
  DiskOp op = { .kind = DISK_TRUNCATE, .offset = (guint64)size };

  op.inode = inode_of (fd, &op.mode);
  return change (op, path_of_fd (fd, buffer), NULL, SYS_ftruncate, fd, size, 0, 0, 0);
}

int
layer_chmod (int fd, mode_t mode)
{
  char buffer[PATH_MAX];

  return change ((DiskOp){ .kind = DISK_CHMOD, .mode = mode }, path_of_fd (fd, buffer), NULL,
                 SYS_fchmod, fd, (long)mode, 0, 0, 0);
}

int
layer_sync (int fd, long number)
{
  char buffer[PATH_MAX];
  const char *path = path_of_fd (fd, buffer);
  DiskOp op = { .kind = DISK_SYNC, .flags = number == SYS_syncfs ? DISK_WHOLE : 0 };

  if (!path)
    return (int)syscall (number, fd);
  pthread_mutex_lock (&layer.lock);
  op.inode = inode_of (fd, &op.mode);
  gboolean failed = count (DISK_SYNC, path) != FAULT_NONE;
  op.offset = layer.n_logged;
  guint64 begun = failed ? 0 : record (op, path, NULL, NULL);
  pthread_mutex_unlock (&layer.lock);
  int status = failed ? -1 : (int)syscall (number, fd);
  if (status == 0)
    {
      pthread_mutex_lock (&layer.lock);
      record ((DiskOp){ .kind = DISK_SYNCED, .offset = begun }, path, NULL, NULL);
      pthread_mutex_unlock (&layer.lock);
    }
  return status;
}

int
layer_close (int fd)
{
  char buffer[PATH_MAX];
  const char *path = (fcntl (fd, F_GETFL) & O_ACCMODE) != O_RDONLY ? path_of_fd (fd, buffer) : NULL;
  Fault fault = FAULT_NONE;

  if (path)
    {
      pthread_mutex_lock (&layer.lock);
      fault = count (DISK_CLOSE, path);
      pthread_mutex_unlock (&layer.lock);
    }
  int failure = errno, status = (int)syscall (SYS_close, fd);
  if (fault == FAULT_NONE)
    return status;
  errno = failure;
  return -1;
}
