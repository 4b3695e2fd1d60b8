// SPDX-License-Identifier: GPL-2.0-or-later
// An NBD server of our own: qemu-nbd or nbdkit as a child process on a private Unix socket.
//
// The socket listens before the server runs (systemd's socket activation, sd_listen_fds(3)), so
// there is nothing to wait for; and as only the child holds it then, its death is an error and
// never a hang.

#include "nbd-child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"

#define LISTEN_FD       3
#define BACKLOG         64
#define SAID_SIZE_MAX   4096
#define PID_DIGITS      "0000000000"
#define LISTEN_PID_NAME "LISTEN_PID="

struct NbdChild
{
  pid_t pid;
  char *directory, *socket;
  int said_fd; // what it wrote to stderr, in memory
};

int
nbd_child_listen (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean fits =
      g_strlcpy (address.sun_path, path, sizeof address.sun_path) < sizeof address.sun_path;

  if (!fits)
    errno = ENAMETOOLONG; // a long TMPDIR
  if (!fits || fd < 0 || bind (fd, (struct sockaddr *)&address, sizeof address) < 0
      || listen (fd, BACKLOG) < 0)
    {
      fail_errno (error, "listen at %s", path);
      if (fd >= 0)
        close (fd);
      return -1;
    }
  return fd;
}

/* This process's environment with LISTEN_FDS, and room for a pid in *LISTEN_PID.  */
static char **
make_environment (char **listen_pid)
{
  g_auto (GStrv) environment = g_get_environ ();

  environment = g_environ_setenv (environment, "LISTEN_FDS", "1", TRUE);
  environment = g_environ_setenv (environment, "LISTEN_PID", PID_DIGITS, TRUE);
  environment = g_environ_setenv (environment, "LC_ALL", "C", TRUE);
  for (gsize i = 0; environment[i]; i++)
    if (g_str_has_prefix (environment[i], LISTEN_PID_NAME))
      *listen_pid = environment[i] + strlen (LISTEN_PID_NAME);
  return g_steal_pointer (&environment);
}

/* In the child, where only what is safe in a signal handler may be called.  */
G_NORETURN static void
become_server (char **argv, char **environment, char *listen_pid, int socket_fd, int said_fd,
               const ChildIdentity *identity, pid_t parent)
{
  char digits[] = PID_DIGITS;
  gsize first = strlen (PID_DIGITS);

  for (pid_t pid = getpid (); pid > 0; pid /= 10)
    digits[--first] = (char)('0' + pid % 10);
  memcpy (listen_pid, digits + first, sizeof digits - first);
  setpgid (0, 0); // Ctrl-C is for the parent to deal with
  child_identity_assume (identity);
  // After the change of identity, which clears it.  Not SIGTERM: qemu-nbd forgets one that comes
  // while it starts, and would stay for ever.
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (127);                 // the parent died before it could have told us
  dup2 (said_fd, STDERR_FILENO); // before LISTEN_FD, which it may be
  dup2 (said_fd, STDOUT_FILENO);
  if (socket_fd == LISTEN_FD)
    fcntl (LISTEN_FD, F_SETFD, 0);
  else
    dup2 (socket_fd, LISTEN_FD);
  execve (argv[0], argv, environment);
  _exit (127);
}

pid_t
nbd_child_fork (char **argv, const ChildIdentity *identity, int socket_fd, int said_fd)
{
  char *listen_pid = NULL;
  g_auto (GStrv) environment = make_environment (&listen_pid);
  pid_t parent = getpid (), pid = fork ();

  if (pid == 0)
    become_server (argv, environment, listen_pid, socket_fd, said_fd, identity, parent);
  return pid;
}

NbdChild *
nbd_child_start (char **argv, const ChildIdentity *identity, GError **error)
{
  g_autoptr (NbdChild) child = g_new0 (NbdChild, 1);

  child->said_fd = memfd_create ("nbd-child", MFD_CLOEXEC);
  if (child->said_fd < 0)
    {
      fail_errno (error, "start %s", argv[0]);
      return NULL;
    }
  child->directory = g_dir_make_tmp ("gild-XXXXXX", error);
  if (!child->directory)
    return NULL;
  child->socket = g_build_filename (child->directory, "nbd.sock", NULL);
  int socket_fd = nbd_child_listen (child->socket, error);
  if (socket_fd < 0)
    return NULL;
  child->pid = nbd_child_fork (argv, identity, socket_fd, child->said_fd);
  close (socket_fd);
  if (child->pid < 0)
    {
      fail_errno (error, "start %s", argv[0]);
      return NULL;
    }
  return g_steal_pointer (&child);
}

void
nbd_child_hide_socket (NbdChild *child)
{
  if (!child->directory)
    return;
  if (child->socket)
    unlink (child->socket);
  rmdir (child->directory);
  g_clear_pointer (&child->directory, g_free);
}

void
nbd_child_stop (NbdChild *child)
{
  if (!child)
    return;
  if (child->pid > 0)
    {
      // After privileges were dropped the signal may be refused; the server ends with its last
      // client.
      if (kill (child->pid, SIGTERM) == 0)
        while (waitpid (child->pid, NULL, 0) < 0 && errno == EINTR)
          ;
    }
  nbd_child_hide_socket (child);
  if (child->said_fd >= 0)
    close (child->said_fd);
  g_free (child->socket);
  g_free (child);
}

const char *
nbd_child_socket (const NbdChild *child)
{
  return child->socket;
}

gboolean
nbd_child_fail_said (int said_fd, const char *what, GError **error)
{
  char said[SAID_SIZE_MAX + 1];
  off_t end = lseek (said_fd, 0, SEEK_END);
  gssize n = pread (said_fd, said, SAID_SIZE_MAX, MAX (0, end - SAID_SIZE_MAX));

  said[MAX (n, 0)] = '\0';
  g_strchomp (said);
  const char *last_line = strrchr (said, '\n');
  return fail (error, "%s: %s", what,
               n > 0 ? (last_line ? last_line + 1 : said) : "the NBD server died without a word");
}

gboolean
nbd_child_fail (NbdChild *child, const char *what, GError **error)
{
  return nbd_child_fail_said (child->said_fd, what, error);
}
