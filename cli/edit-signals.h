// SPDX-License-Identifier: GPL-2.0-or-later
// The signals that gild edit goes by: to end, and that a child has ended.
#pragma once

#include <glib.h>

/* From now on SIGINT, SIGTERM and SIGHUP end nothing but set what edit_signals_interrupted has.
   Can be repeated, where something else has caught them meanwhile.  */
gboolean edit_signals_catch (GError **error);

/* Not 0 when one of them came; a child that is forked sees it too.  */
const gint *edit_signals_interrupted (void);

/* Wait until a signal has come, SIGCHLD included, FD is readable (-1: none), or TIMEOUT_MS
   milliseconds are over.  Whether FD is readable.  */
gboolean edit_signals_wait (int fd, int timeout_ms);
