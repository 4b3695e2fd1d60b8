// SPDX-License-Identifier: GPL-2.0-or-later
// A child process that may fail, hang or say too much: its time and what is kept of its output are
// bounded.
//
// It is forked and runs a function, so that it shares the locks that this process holds: they last
// until both have ended. What the function executes does not share them. It has a process group of
// its own, and is asked to end (SIGTERM) when this process dies. For single-threaded programs only.
#pragma once

#include <gio/gio.h>

typedef struct
{
  gboolean timed_out;
  int status;   // its exit status; 128 + N where signal N ended it
  char *output; // what it wrote to stdout, at most 1 MiB of that; may be any bytes but NUL
  char *said;   // the last 16 KiB that it wrote to stderr, the same
} BoundedChild;

/* What the child runs; returns its exit status.  */
typedef int (*BoundedChildFunc) (gpointer data);

/* Run FUNC with DATA in a child whose stdin has INPUT (may be NULL: empty).  After TIMEOUT_SECONDS
   its process group is asked to end, and is killed half a minute later.  Fails only where there is
   no child; the caller clears RESULT.  */
gboolean bounded_child_run (BoundedChildFunc func, gpointer data, const char *input,
                            guint timeout_seconds, BoundedChild *result, GError **error);

/* The same, executing ARGV, which ends with NULL and whose first word is looked for in $PATH.  */
gboolean bounded_child_execute (char **argv, const char *input, guint timeout_seconds,
                                BoundedChild *result, GError **error);

void bounded_child_clear (BoundedChild *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BoundedChild, bounded_child_clear)
