// SPDX-License-Identifier: GPL-2.0-or-later
// Retention: how many versions of an image, or for how many days, stay without being needed.
#pragma once

#include <glib.h>

/* One of the two is 0, the other is not.  */
typedef struct
{
  guint versions; // the newest that many stay
  guint days;     // those that were made within so many days stay, and the newest two
} Retention;

#define RETENTION_VERSIONS_MAX 1000000
#define RETENTION_DAYS_MAX     36500

// By days so many stay whatever the clock says: production, and what to go back to.
#define RETENTION_ALWAYS 2

/* Read TEXT, "10" for versions or "30d" for days.  */
gboolean retention_parse (const char *text, Retention *retention, GError **error);

/* How many of COUNT versions, the newest ones, RETENTION keeps at NOW; times are seconds since
   1970.  MADE has when each was made, from the oldest version to the newest, G_MAXINT64 where that
   is not known.

   By days a clock that was wrong does little harm: since versions are numbered as they are made,
   one counts as no older than any before it; one that is said to be made later than NOW, as the
   next one that is not.  */
guint retention_count (const Retention *retention, const gint64 *made, guint count, gint64 now);
