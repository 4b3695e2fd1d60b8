// SPDX-License-Identifier: GPL-2.0-or-later
// Progress on the terminal: bytes, rate and time left in one line, and Ctrl-C.

#include "gild.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "qcow-backing/size.h"

#define UPDATE_MICROSECONDS 200000
#define BAR_WIDTH           24

struct TerminalProgress
{
  Progress progress;
  const char *what;
  gboolean is_terminal;
  gint64 started, updated; // monotonic microseconds
};

/* Set by the signal handler, which can reach nothing else.  */
static gint interrupted;

static void
handle_interrupt (int signal_number)
{
  g_atomic_int_set (&interrupted, 1);
}

static char *
format_seconds (double seconds)
{
  guint whole = (guint)MIN (seconds, 359999);

  return whole < 3600 ? g_strdup_printf ("%u:%02u", whole / 60, whole % 60)
                      : g_strdup_printf ("%u:%02u:%02u", whole / 3600, whole / 60 % 60, whole % 60);
}

static void
draw (TerminalProgress *self, guint64 done, guint64 total, gint64 now)
{
  double seconds = MAX ((double)(now - self->started) / 1e6, 0.001);
  double rate = (double)done / seconds;
  int filled = (int)(BAR_WIDTH * (double)done / (double)total);
  g_autofree char *done_text = size_format (done);
  g_autofree char *total_text = size_format (total);
  g_autofree char *rate_text = size_format ((guint64)rate);
  g_autofree char *left = format_seconds (done ? (double)(total - done) / rate : 0);

  fprintf (stderr, "\r%s [%.*s%*s] %s of %s, %s/s, %s left\033[K", self->what, filled,
           "########################", BAR_WIDTH - filled, "", done_text, total_text, rate_text,
           left);
}

/* Called from the workers, one at a time.  */
static void
report (gpointer data, guint64 done, guint64 total)
{
  TerminalProgress *self = data;
  gint64 now = g_get_monotonic_time ();

  if (!self->is_terminal || total == 0 || now - self->updated < UPDATE_MICROSECONDS)
    return;
  self->updated = now;
  draw (self, MIN (done, total), total, now);
}

TerminalProgress *
terminal_progress_new (const char *what)
{
  TerminalProgress *self = g_new0 (TerminalProgress, 1);
  struct sigaction action = { .sa_handler = handle_interrupt, .sa_flags = SA_RESETHAND };

  self->what = what;
  self->is_terminal = isatty (STDERR_FILENO);
  self->started = g_get_monotonic_time ();
  self->progress = (Progress){ report, &interrupted, self };
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  return self;
}

const Progress *
terminal_progress_get (TerminalProgress *self)
{
  return &self->progress;
}

void
terminal_progress_free (TerminalProgress *self)
{
  if (self && self->updated)
    fputs ("\r\033[K", stderr);
  g_free (self);
}
