// SPDX-License-Identifier: GPL-2.0-or-later
// A version, or a qcow2 overlay over it, as a file of this host's kernel: qemu-storage-daemon
// exports it by FUSE.
//
//   caller, root        opens /dev/fuse, mounts it nowhere (fsopen(2)), opens the file that is its
//   root
//    keeper, gild       the parent of the next, and ends it when the file system is gone
//     qemu-storage-daemon, gild   answers at the descriptor of /dev/fuse
//
// A server of FUSE that mounts by itself would have to be root as long as it runs, and it talks to
// nbdkit.  libfuse takes a descriptor that is mounted already, named as /dev/fd/N; but QEMU wants
// its mount point to be a regular file.  So both get a mount namespace in which there is a regular
// file of that name; and in which the disk's own file system will not be mounted, since it would be
// as long as the namespace, also when the caller is killed.  QEMU does not end when its file system
// does, hence the keeper.

#include "fuse-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fail.h"
#include "mount-list.h"

#define FUSE_FD       3
#define FUSE_FD_PATH  "/dev/fd/3"
#define SAID_SIZE_MAX 4096

#define OPEN_SECONDS   10 // for nbdkit, which may just be started anew
#define ENDING_SECONDS 60 // for writing what is in memory, to a slow disk

/* What QEMU's own mount would say (block/export/fuse.c: FUSE_MAX_BOUNCE_BYTES).  */
#define MAX_READ "67108864"

/* What is made ready for the server before it is forked.  */
typedef struct
{
  char **argv;
  char **unneeded; // mounts
  const ChildIdentity *identity;
} Server;

static gboolean
set_option (int context, const char *name, const char *value)
{
  return fsconfig (context, FSCONFIG_SET_STRING, name, value, 0) == 0;
}

/* Mount the FUSE of FUSE_FD nowhere; only root may use it.  Its root is a regular file.  */
static int
mount_nowhere (int fuse_fd)
{
  g_autofree char *number = g_strdup_printf ("%d", fuse_fd);
  int context = fsopen ("fuse", FSOPEN_CLOEXEC);
  int fd = -1;

  if (context < 0)
    return -1;
  if (set_option (context, "source", "gild") && set_option (context, "fd", number)
      && set_option (context, "rootmode", "100000") && set_option (context, "user_id", "0")
      && set_option (context, "group_id", "0") && set_option (context, "max_read", MAX_READ)
      && fsconfig (context, FSCONFIG_SET_FLAG, "default_permissions", NULL, 0) == 0
      && fsconfig (context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    fd = fsmount (context, FSMOUNT_CLOEXEC,
                  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  int saved = errno;
  close (context);
  errno = saved;
  return fd;
}

static char *
escape_commas (const char *value)
{
  g_auto (GStrv) parts = g_strsplit (value, ",", -1);

  return g_strjoinv (",,", parts);
}

/* Add to ARGV the OVERLAY over the node "golden", and its export.  */
static void
add_overlay (GStrvBuilder *argv, const char *overlay)
{
  g_autofree char *path = escape_commas (overlay);
  // Locked: so others see that somebody has it (the hook's sweep).
  g_autofree char *file =
      g_strdup_printf ("driver=file,node-name=file,discard=unmap,locking=on,filename=%s", path);

  g_strv_builder_add_many (
      argv, "--blockdev", file, "--blockdev",
      "driver=qcow2,node-name=disk,file=file,backing=golden,discard=unmap,detect-zeroes=unmap",
      "--export", "type=fuse,id=disk,node-name=disk,writable=on,mountpoint=" FUSE_FD_PATH, NULL);
}

static char **
build_argv (const FuseDisk *disk)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  g_autofree char *socket = escape_commas (disk->nbd_socket);
  g_autofree char *golden = g_strdup_printf (
      "driver=nbd,node-name=golden,read-only=on,server.type=unix,server.path=%s,export=%s,reconnect-delay=%d,open-timeout=%d",
      socket, disk->export, FUSE_DISK_RECONNECT_SECONDS, OPEN_SECONDS);

  g_strv_builder_add_many (argv, QEMU_STORAGE_DAEMON, "--blockdev", golden, NULL);
  if (disk->overlay)
    add_overlay (argv, disk->overlay);
  else
    g_strv_builder_add_many (argv, "--export",
                             "type=fuse,id=disk,node-name=golden,mountpoint=" FUSE_FD_PATH, NULL);
  return g_strv_builder_end (argv);
}

/* Whether PATH is PLACE or below it.  */
static gboolean
is_below (const char *path, const char *place)
{
  gsize length = strlen (place);

  return strncmp (path, place, length) == 0
         && (path[length] == '/' || path[length] == '\0' || g_str_equal (place, "/"));
}

/* The mounts that the server has no need of: if it had a copy of them, unmounting would not be the
   end of what is mounted there.  */
static char **
list_unneeded (const FuseDisk *disk)
{
  static const char *const LIBRARIES[] = { "/usr", "/lib", "/lib32", "/lib64", "/etc" };
  g_autoptr (GPtrArray) mounts = mount_list_read ();
  g_autoptr (GStrvBuilder) places = g_strv_builder_new ();

  for (guint i = 0; i < mounts->len; i++)
    {
      const char *place = ((Mount *)mounts->pdata[i])->place;
      gboolean needed = (disk->overlay && is_below (disk->overlay, place))
                        || is_below (disk->nbd_socket, place)
                        || is_below (QEMU_STORAGE_DAEMON, place);
      for (gsize j = 0; j < G_N_ELEMENTS (LIBRARIES); j++)
        needed = needed || is_below (place, LIBRARIES[j]);
      if (!needed)
        g_strv_builder_add (places, place);
    }
  return g_strv_builder_end (places);
}

/* The following run after a fork, where only what is safe in a signal handler may be called.  */

/* Have a mount namespace of one's own, without UNNEEDED, and with a regular file at FUSE_FD_PATH.
 */
static gboolean
enter_namespace (char **unneeded)
{
  if (unshare (CLONE_NEWNS) < 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    return FALSE;
  for (gsize i = 0; unneeded[i]; i++)
    umount2 (unneeded[i], UMOUNT_NOFOLLOW | MNT_DETACH);
  if (mount ("gild", "/dev", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=755") < 0
      || mkdir ("/dev/fd", 0755) < 0)
    return FALSE;
  int fd = open (FUSE_FD_PATH, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  return fd >= 0 && close (fd) == 0;
}

G_NORETURN static void
become_server (const Server *server, pid_t keeper)
{
  child_identity_assume (server->identity);
  prctl (PR_SET_PDEATHSIG, SIGKILL); // after the change of identity, which clears it
  if (getppid () == keeper)
    execv (server->argv[0], server->argv);
  _exit (127);
}

/* Wait until SERVER has ended, or its file system, which it would not notice: it is told so, since
   of the overlay's tables some may be in its memory alone.  Who does not end then ends with its
   parent.  */
static void
keep (pid_t server)
{
  struct pollfd fds[] = {
    { .fd = (int)syscall (SYS_pidfd_open, server, 0), .events = POLLIN },
    { .fd = FUSE_FD }, // POLLERR comes unasked
  };

  while (fds[0].fd >= 0 && poll (fds, G_N_ELEMENTS (fds), -1) < 0 && errno == EINTR)
    continue;
  if (kill (server, SIGTERM) == 0)
    while (poll (fds, 1, ENDING_SECONDS * 1000) < 0 && errno == EINTR)
      continue;
}

/* Have FUSE_FD at its number, nothing at the input and output, and SAID_FD at stderr.  */
static gboolean
arrange_descriptors (int fuse_fd, int said_fd)
{
  int null_fd = open ("/dev/null", O_RDWR);

  if (null_fd < 0 || dup2 (null_fd, STDIN_FILENO) < 0 || dup2 (null_fd, STDOUT_FILENO) < 0
      || dup2 (said_fd, STDERR_FILENO) < 0)
    return FALSE;
  if (fuse_fd != FUSE_FD ? dup2 (fuse_fd, FUSE_FD) < 0 : fcntl (FUSE_FD, F_SETFD, 0) < 0)
    return FALSE;
  return close_range (FUSE_FD + 1, ~0u, 0) == 0;
}

G_NORETURN static void
become_keeper (const Server *server, int fuse_fd, int said_fd)
{
  prctl (PR_SET_NAME, FUSE_DISK_PROCESS);
  setsid (); // whoever ends the caller's terminal does not mean the disk
  if (chdir ("/") < 0 || !arrange_descriptors (fuse_fd, said_fd))
    _exit (127);
  if (!enter_namespace (server->unneeded))
    {
      static const char SENTENCE[] = "it cannot have a mount namespace\n";
      (void)!write (STDERR_FILENO, SENTENCE, sizeof SENTENCE - 1);
      _exit (127);
    }
  pid_t keeper = getpid (), pid = fork ();
  if (pid == 0)
    become_server (server, keeper);
  if (pid < 0)
    _exit (127);
  child_identity_assume (server->identity);
  keep (pid);
  _exit (0);
}

/* Start both processes; with them the descriptor of FUSE is.  */
static gboolean
start_server (const FuseDisk *disk, int fuse_fd, int said_fd, GError **error)
{
  g_auto (GStrv) argv = build_argv (disk);
  g_auto (GStrv) unneeded = list_unneeded (disk);
  const Server server = { argv, unneeded, &disk->identity };
  pid_t pid = fork ();

  if (pid == 0)
    become_keeper (&server, fuse_fd, said_fd);
  return pid > 0 || fail_errno (error, "start %s", argv[0]);
}

/* The reason in LINE of qemu-storage-daemon's: behind its name and the option that it is about.  */
static const char *
find_reason (const char *line)
{
  const char *option = strstr (line, ": --"), *reason = option ? strstr (option + 2, ": ") : NULL;

  return reason ? reason + 2 : line;
}

/* Say why there is no disk: what the server said last.  */
static gboolean
fail_said (int said_fd, GError **error)
{
  char said[SAID_SIZE_MAX + 1];
  off_t end = lseek (said_fd, 0, SEEK_END);
  gssize n = pread (said_fd, said, SAID_SIZE_MAX, MAX (0, end - SAID_SIZE_MAX));

  said[MAX (n, 0)] = '\0';
  g_strchomp (said);
  const char *last_line = strrchr (said, '\n');
  return fail (error, "qemu-storage-daemon: %s",
               n > 0 ? find_reason (last_line ? last_line + 1 : said) : "it ended without a word");
}

/* The file that is mounted as MOUNT_FD, to be used by MODE.  Waits until the server answers; if it
   dies, that is an error, since nobody else has its end of FUSE.  */
static int
open_file (int mount_fd, int said_fd, int mode, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", mount_fd);
  int fd = open (path, mode | O_CLOEXEC);

  if (fd < 0)
    fail_said (said_fd, error);
  return fd;
}

static int
open_fuse (GError **error)
{
  int fd = open ("/dev/fuse", O_RDWR | O_CLOEXEC);

  if (fd < 0)
    fail_errno (error, "this kernel has no FUSE (see `modprobe fuse`): /dev/fuse");
  return fd;
}

int
fuse_disk_open (const FuseDisk *disk, GError **error)
{
  int fuse_fd = open_fuse (error), mount_fd = -1, said_fd = -1, fd = -1;

  if (fuse_fd < 0)
    return -1;
  if ((mount_fd = mount_nowhere (fuse_fd)) < 0)
    fail_errno (error, "cannot mount a FUSE file system");
  else if ((said_fd = memfd_create ("fuse-disk", MFD_CLOEXEC)) < 0)
    fail_errno (error, "cannot start qemu-storage-daemon");
  gboolean started = said_fd >= 0 && start_server (disk, fuse_fd, said_fd, error);
  close (fuse_fd); // or the server's death would not be noticed
  if (started)
    fd = open_file (mount_fd, said_fd, disk->overlay ? O_RDWR : O_RDONLY, error);
  if (mount_fd >= 0)
    close (mount_fd);
  if (said_fd >= 0)
    close (said_fd);
  return fd;
}

/* QEMU 7.2 answers the last request once more when the file system is gone, as libfuse gives it
   that again; within the answer it finds the file system gone, and so on until its stack is full,
   if it has to wait for the answer, as of a read.  For the size of the file it does not.  */
void
fuse_disk_close (int fd)
{
  struct statx status;

  statx (fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE, &status);
  close (fd);
}
