// SPDX-License-Identifier: GPL-2.0-or-later
// How long work tells what it has done, without knowing who listens.
#pragma once

#include <glib.h>

typedef struct
{
  /* DONE of TOTAL bytes are done.  Called from any thread, often; must be quick.  May be NULL.  */
  void (*report) (gpointer data, guint64 done, guint64 total);
  /* Set, at any time, to make the work stop with G_IO_ERROR_CANCELLED.  May be NULL.  */
  const gint *cancelled;
  gpointer data;
} Progress;

/* Whether PROGRESS, which may be NULL, was cancelled.  */
static inline gboolean
progress_is_cancelled (const Progress *progress)
{
  return progress && progress->cancelled && g_atomic_int_get (progress->cancelled);
}

static inline void
progress_report (const Progress *progress, guint64 done, guint64 total)
{
  if (progress && progress->report)
    progress->report (progress->data, done, total);
}
