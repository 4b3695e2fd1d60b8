// SPDX-License-Identifier: GPL-2.0-or-later
// Dates as gild writes them: "2026-11-20T02:00:00Z".

#include "utc-date.h"

char *
utc_date (int days)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) then = g_date_time_add_days (now, days);

  return g_date_time_format (then, "%Y-%m-%dT%H:%M:%SZ");
}

char *
utc_date_to_local (const char *date)
{
  g_autoptr (GDateTime) then = g_date_time_new_from_iso8601 (date, NULL);
  g_autoptr (GDateTime) local = then ? g_date_time_to_local (then) : NULL;

  return local ? g_date_time_format (local, "%Y-%m-%d %H:%M") : g_strdup ("?");
}
