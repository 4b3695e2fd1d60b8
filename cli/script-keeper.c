// SPDX-License-Identifier: GPL-2.0-or-later
// A script that is kept: it and all that it starts are gone when it ends, when it is ended, and
// when this process is killed.
//
// Between this process and the script stands a keeper, a process to which all orphans below it come
// (PR_SET_CHILD_SUBREAPER).  It has the reading end of a pipe whose writing end goes with this
// process.  It is forked from a process that may have threads, so it calls only what is safe then.

#include "script-keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "qcow-backing/fail.h"

#define STATUS_SIGNAL    128 // what a shell adds to a signal's number
#define STATUS_NOT_FOUND 127
#define STATUS_CANNOT    126
#define LIFELINE         3 // the keeper's descriptor of the pipe
#define CHILDREN_MAX     4096

struct ScriptKeeper
{
  GPid pid;
  int lifeline; // closing it ends the script
  guint watch;  // 0: it has ended
  ScriptEnded ended;
  gpointer data;
};

/* Kill the keeper's children, of which the kernel has a list: "12 34 ".  */
static void
kill_children (void)
{
  static char list[CHILDREN_MAX];
  int fd = open ("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  gssize size = fd < 0 ? 0 : read (fd, list, sizeof list);
  pid_t pid = 0;

  for (gssize i = 0; i < size; i++)
    if (list[i] >= '0' && list[i] <= '9')
      pid = 10 * pid + (list[i] - '0');
    else
      {
        if (pid > 0)
          kill (pid, SIGKILL);
        pid = 0;
      }
  if (fd >= 0)
    close (fd);
}

/* Until there are none: those of who is killed are the keeper's next.  */
static void
kill_all (void)
{
  do
    kill_children ();
  while (waitpid (-1, NULL, 0) > 0 || errno == EINTR);
}

G_NORETURN static void
become_script (const char *path, char **environment)
{
  char *argv[] = { (char *)path, NULL };

  execve (path, argv, environment);
  _exit (errno == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT);
}

/* Wait until PID, a child, or the process that holds the pipe has ended; the status of the first,
   or -1.  */
static int
await (pid_t pid)
{
  struct pollfd polled[] = { { LIFELINE, 0, 0 }, { pidfd_open (pid, 0), POLLIN, 0 } };
  int how;

  while (poll (polled, G_N_ELEMENTS (polled), -1) < 0 && errno == EINTR)
    ;
  if (!polled[1].revents || waitpid (pid, &how, 0) != pid)
    return -1;
  return WIFSIGNALED (how) ? STATUS_SIGNAL + WTERMSIG (how) : WEXITSTATUS (how);
}

/* Streams of the script's: nothing to read, and what it says goes to stderr.  No other descriptor
   of this process's is the keeper's: a connection would outlive it.  */
static gboolean
set_streams (int lifeline)
{
  int null = open ("/dev/null", O_RDONLY);

  return null >= 0 && dup2 (null, STDIN_FILENO) >= 0 && dup2 (STDERR_FILENO, STDOUT_FILENO) >= 0
         && (lifeline == LIFELINE || dup2 (lifeline, LIFELINE) >= 0)
         && fcntl (LIFELINE, F_SETFD, FD_CLOEXEC) == 0 && close_range (LIFELINE + 1, ~0u, 0) == 0;
}

static void
reset_signals (void)
{
  sigset_t none;

  for (int number = 1; number < NSIG; number++)
    signal (number, SIG_DFL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* The keeper; a session of its own, so that Ctrl-C is its parent's.  */
G_NORETURN static void
keep (const char *path, char **environment, int lifeline)
{
  int status = STATUS_CANNOT;

  setfsuid (geteuid ());
  setfsgid (getegid ());
  setsid ();
  reset_signals ();
  if (prctl (PR_SET_CHILD_SUBREAPER, 1) < 0 || !set_streams (lifeline))
    _exit (STATUS_CANNOT);
  pid_t pid = fork ();
  if (pid == 0)
    become_script (path, environment);
  if (pid > 0)
    status = await (pid);
  kill_all ();
  _exit (status);
}

static void
on_end (GPid pid, int status, gpointer data)
{
  ScriptKeeper *keeper = data;

  keeper->watch = 0;
  keeper->ended (WIFEXITED (status) ? WEXITSTATUS (status) : STATUS_SIGNAL + WTERMSIG (status),
                 keeper->data);
}

ScriptKeeper *
script_keeper_start (const char *path, char **environment, ScriptEnded ended, gpointer data,
                     GError **error)
{
  int pipe_fds[2];

  if (!g_unix_open_pipe (pipe_fds, FD_CLOEXEC, error))
    return NULL;
  fflush (NULL);
  pid_t pid = fork ();
  if (pid == 0)
    keep (path, environment, pipe_fds[0]);
  close (pipe_fds[0]);
  if (pid < 0)
    {
      fail_errno (error, "start %s", path);
      close (pipe_fds[1]);
      return NULL;
    }
  ScriptKeeper *keeper = g_new (ScriptKeeper, 1);
  *keeper = (ScriptKeeper){ pid, pipe_fds[1], 0, ended, data };
  keeper->watch = g_child_watch_add (pid, on_end, keeper);
  return keeper;
}

void
script_keeper_end (ScriptKeeper *keeper)
{
  if (!keeper)
    return;
  close (keeper->lifeline);
  if (keeper->watch)
    {
      g_source_remove (keeper->watch);
      while (waitpid (keeper->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    }
  g_free (keeper);
}
