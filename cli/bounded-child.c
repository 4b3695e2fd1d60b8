// SPDX-License-Identifier: GPL-2.0-or-later
// A child process that may fail, hang or say too much: its time and what is kept of its output are
// bounded.
//
// Pipes alone do not tell that it has ended, since what it has started may hold them open; so its
// end is waited for by a descriptor of the process, and what is in the pipes then is what there is.

#include "bounded-child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "qcow-backing/fail.h"

#define OUTPUT_MAX    (1 << 20)
#define SAID_MAX      (16 << 10)
#define GRACE_SECONDS 30
#define STEP_SIZE     4096
#define LAST_STEPS    64 // that are read when the child has ended; who is left may write for ever

/* A child as this process sees it.  */
typedef struct
{
  pid_t pid;
  int pidfd;
  int output_fd, said_fd; // what it writes; -1: closed
  GString *output, *said;
  gint64 ask_us, kill_us; // when it is to be asked to end, and to be killed
  gboolean timed_out;
} Child;

/* In the child: become one that has INPUT, OUTPUT and SAID for its standard streams.  */
static void
settle (int input, int output, int said, pid_t parent)
{
  setpgid (0, 0);
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  if (getppid () != parent || dup2 (input, STDIN_FILENO) < 0 || dup2 (output, STDOUT_FILENO) < 0
      || dup2 (said, STDERR_FILENO) < 0)
    _exit (EXIT_FAILURE);
}

/* A file in memory that has TEXT, which is where it is read from; -1 on error.  */
static int
open_input (const char *text, GError **error)
{
  int fd = memfd_create ("input", MFD_CLOEXEC);
  gsize length = strlen (text);

  if (fd < 0 || write (fd, text, length) != (gssize)length || lseek (fd, 0, SEEK_SET) < 0)
    {
      fail_errno (error, "keep a child's input in memory");
      if (fd >= 0)
        close (fd);
      return -1;
    }
  return fd;
}

/* Fork, with both pipes there; what is the child's is closed here in any case.  */
static gboolean
fork_child (Child *child, int input, const int *output, const int *said, BoundedChildFunc func,
            gpointer data)
{
  pid_t parent = getpid ();

  fflush (NULL);
  child->pid = fork ();
  if (child->pid == 0)
    {
      settle (input, output[1], said[1], parent);
      int status = func (data);
      fflush (NULL);
      _exit (status);
    }
  close (output[1]);
  close (said[1]);
  child->output_fd = output[0];
  child->said_fd = said[0];
  fcntl (child->output_fd, F_SETFL, O_NONBLOCK);
  fcntl (child->said_fd, F_SETFL, O_NONBLOCK);
  return child->pid > 0;
}

static gboolean
start (Child *child, const char *text, BoundedChildFunc func, gpointer data, GError **error)
{
  int output[2], said[2];
  int input = open_input (text, error);
  gboolean ok = input >= 0 && g_unix_open_pipe (output, FD_CLOEXEC, error);

  if (ok && !g_unix_open_pipe (said, FD_CLOEXEC, error))
    {
      close (output[0]);
      close (output[1]);
      ok = FALSE;
    }
  if (ok && !fork_child (child, input, output, said, func, data))
    ok = fail_errno (error, "start a child process");
  if (input >= 0)
    close (input);
  if (!ok)
    return FALSE;
  setpgid (child->pid, child->pid); // whoever of the two is first
  child->pidfd = pidfd_open (child->pid, 0);
  return TRUE;
}

static void
close_stream (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* Read once from *FD into KEPT; FALSE where nothing is there now, or ever again.  */
static gboolean
take (int *fd, GString *kept)
{
  char bytes[STEP_SIZE];
  gssize n = *fd < 0 ? 0 : read (*fd, bytes, sizeof bytes);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return FALSE;
  if (n <= 0)
    {
      close_stream (fd);
      return FALSE;
    }
  for (gssize i = 0; i < n; i++)
    if (bytes[i] == '\0')
      bytes[i] = ' ';
  g_string_append_len (kept, bytes, n);
  return TRUE;
}

/* The first bytes of its output are kept, and the last that it said.  */
static void
take_both (Child *child)
{
  if (take (&child->output_fd, child->output) && child->output->len > OUTPUT_MAX)
    g_string_truncate (child->output, OUTPUT_MAX);
  if (take (&child->said_fd, child->said) && child->said->len > SAID_MAX)
    g_string_erase (child->said, 0, (gssize)(child->said->len - SAID_MAX));
}

/* Do what the clock asks for; how long it then asks for nothing, in milliseconds.  */
static int
look_at_clock (Child *child)
{
  gint64 now_us = g_get_monotonic_time ();

  if (!child->timed_out && now_us >= child->ask_us)
    {
      child->timed_out = TRUE;
      kill (-child->pid, SIGTERM);
    }
  if (now_us >= child->kill_us)
    kill (-child->pid, SIGKILL);
  gint64 next_us = child->timed_out ? child->kill_us : child->ask_us;
  return (int)CLAMP ((next_us - now_us) / 1000 + 1, 10, 60 * 1000);
}

/* Take what it writes until it has ended, and what is left then.  */
static void
attend (Child *child)
{
  struct pollfd polled[] = { { 0, POLLIN, 0 }, { 0, POLLIN, 0 }, { child->pidfd, POLLIN, 0 } };

  do
    {
      polled[0].fd = child->output_fd;
      polled[1].fd = child->said_fd;
      if (poll (polled, G_N_ELEMENTS (polled), look_at_clock (child)) > 0)
        take_both (child);
    }
  while (!polled[2].revents);
  for (int i = 0; i < LAST_STEPS; i++)
    take_both (child);
}

static int
wait_for_status (pid_t pid)
{
  int status = 0;

  while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

gboolean
bounded_child_run (BoundedChildFunc func, gpointer data, const char *input, guint timeout_seconds,
                   BoundedChild *result, GError **error)
{
  gint64 ask_us = g_get_monotonic_time () + (gint64)timeout_seconds * G_USEC_PER_SEC;
  Child child = { .ask_us = ask_us, .kill_us = ask_us + GRACE_SECONDS * G_USEC_PER_SEC };

  *result = (BoundedChild){ 0 };
  if (!start (&child, input ? input : "", func, data, error))
    return FALSE;
  child.output = g_string_new (NULL);
  child.said = g_string_new (NULL);
  attend (&child);
  close_stream (&child.output_fd);
  close_stream (&child.said_fd);
  close (child.pidfd);
  result->timed_out = child.timed_out;
  result->status = wait_for_status (child.pid);
  result->output = g_string_free (child.output, FALSE);
  result->said = g_string_free (child.said, FALSE);
  return TRUE;
}

static int
execute (gpointer data)
{
  char **argv = data;

  execvp (argv[0], argv);
  fprintf (stderr, "%s: %s\n", argv[0], g_strerror (errno));
  return 127;
}

gboolean
bounded_child_execute (char **argv, const char *input, guint timeout_seconds, BoundedChild *result,
                       GError **error)
{
  return bounded_child_run (execute, argv, input, timeout_seconds, result, error);
}

void
bounded_child_clear (BoundedChild *result)
{
  g_clear_pointer (&result->output, g_free);
  g_clear_pointer (&result->said, g_free);
}
