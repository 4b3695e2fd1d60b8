// SPDX-License-Identifier: GPL-2.0-or-later
// gild images --history: what has become of an image's channels.
#pragma once

#include "gild.h"
#include "qcow-backing/utc-date.h"

/* Print the history of IMAGE's channels, the newest last.  */
gboolean image_history_print (const Verb *verb, const char *image, GError **error);

/* TEXT, which may have anything in it, as part of a line; owned by the caller.  */
char *image_history_line (const char *text);
