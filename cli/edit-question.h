// SPDX-License-Identifier: GPL-2.0-or-later
// Asking who sits at the terminal whether an edit shall be published.
#pragma once

#include <glib.h>

/* Whether there is a terminal to ask at.  */
gboolean edit_question_check (GError **error);

/* Ask there whether what was changed becomes the next version of IMAGE.  Only "y" or "yes" is a
   yes; a signal (edit_signals_catch), the terminal's end, and all else are a no.  */
gboolean edit_question_ask (const char *image);
