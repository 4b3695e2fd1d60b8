// SPDX-License-Identifier: GPL-2.0-or-later
// The signals that gild edit goes by: to end, and that a child has ended.
#pragma once

#include <glib.h>

/* From now on SIGINT, SIGTERM and SIGHUP end nothing but set what edit_signals_interrupted has.
   Can be repeated, where something else has caught them meanwhile.  */
gboolean edit_signals_catch (GError **error);

/* Not 0 when one of them came; a child that is forked sees it too.  */
const gint *edit_signals_interrupted (void);

/* Whether WHAT, which began at STARTED (monotonic microseconds), may go on: none of them has come,
   and it has taken less than TIMEOUT_SECONDS (0: it may take as long as it likes).  */
gboolean edit_signals_check (const char *what, gint64 started, guint timeout_seconds,
                             GError **error);

/* Wait until a signal has come, SIGCHLD included, FD is readable or at its end (-1: none), or
   TIMEOUT_MS milliseconds are over.  Whether FD is.  */
gboolean edit_signals_wait (int fd, int timeout_ms);
