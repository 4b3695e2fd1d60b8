// SPDX-License-Identifier: GPL-2.0-or-later
// Times that something may take, as people write them: "90s", "5m", "2h".
#pragma once

#include <glib.h>

#define DURATION_MAX_SECONDS (366 * 24 * 3600u)

/* Read TEXT, a whole number and a unit (s, m, h or d), into *SECONDS, from 1 to
   DURATION_MAX_SECONDS. Fails on anything else; *SECONDS is then untouched.  */
gboolean duration_parse (const char *text, guint *seconds, GError **error);
