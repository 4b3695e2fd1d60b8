// SPDX-License-Identifier: GPL-2.0-or-later
// The signals that gild edit goes by: to end, and that a child has ended.
//
// A handler can do little, so it writes to a pipe, which is polled.  Nothing is blocked, since
// every child would begin with that.

#include "edit-signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "qcow-backing/fail.h"

/* What the handler can reach.  */
static int pipe_fds[2] = { -1, -1 };
static gint *interrupted; // in memory that is shared with child processes

static void
handle (int signal_number)
{
  int saved = errno;

  if (signal_number != SIGCHLD)
    g_atomic_int_set (interrupted, 1);
  (void)!write (pipe_fds[1], "", 1);
  errno = saved;
}

gboolean
edit_signals_catch (GError **error)
{
  static const int SIGNALS[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };
  struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };

  if (!interrupted)
    {
      void *memory = mmap (NULL, sizeof *interrupted, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED || pipe2 (pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return fail_errno (error, "catch signals");
      interrupted = memory;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (SIGNALS); i++)
    sigaction (SIGNALS[i], &action, NULL);
  return TRUE;
}

const gint *
edit_signals_interrupted (void)
{
  return interrupted;
}

gboolean
edit_signals_check (const char *what, gint64 started, guint timeout_seconds, GError **error)
{
  gint64 seconds = (g_get_monotonic_time () - started) / G_TIME_SPAN_SECOND;

  if (g_atomic_int_get (interrupted))
    return fail_code (error, G_IO_ERROR_CANCELLED, "interrupted; nothing was published");
  return timeout_seconds == 0 || seconds < timeout_seconds
         || fail (error,
                  "%s took longer than --timeout, %u s, and was ended; nothing was published", what,
                  timeout_seconds);
}

gboolean
edit_signals_wait (int fd, int timeout_ms)
{
  struct pollfd fds[] = { { .fd = pipe_fds[0], .events = POLLIN }, { .fd = fd, .events = POLLIN } };
  char drain[64];

  if (poll (fds, G_N_ELEMENTS (fds), timeout_ms) <= 0)
    return FALSE;
  while (read (pipe_fds[0], drain, sizeof drain) > 0)
    continue;
  return fds[1].revents != 0;
}
