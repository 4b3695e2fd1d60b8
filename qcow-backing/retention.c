// SPDX-License-Identifier: GPL-2.0-or-later
// Retention: how many versions of an image, or for how many days, stay without being needed.

#include "retention.h"

#include <string.h>

#include "fail.h"

#define SECONDS_A_DAY (24 * 3600)

gboolean
retention_parse (const char *text, Retention *retention, GError **error)
{
  gboolean by_days = g_str_has_suffix (text, "d");
  g_autofree char *number = g_strndup (text, strlen (text) - (by_days ? 1 : 0));
  guint64 value;

  if (!g_ascii_string_to_unsigned (
          number, 10, 1, by_days ? RETENTION_DAYS_MAX : RETENTION_VERSIONS_MAX, &value, NULL))
    return fail (error,
                 "'%s' is out of range: write a number of versions, 10, or of days, 30d, from 1 on",
                 text);
  *retention =
      by_days ? (Retention){ .days = (guint)value } : (Retention){ .versions = (guint)value };
  return TRUE;
}

guint
retention_count (const Retention *retention, const gint64 *made, guint count, gint64 now)
{
  gint64 oldest = now - (gint64)retention->days * SECONDS_A_DAY;
  guint old = 0; // so many, the first ones

  if (retention->versions > 0)
    return MIN (retention->versions, count);
  // Up to the first that is surely young: what comes after it is younger, whatever it says.
  for (guint i = 0; i < count && (made[i] < oldest || made[i] > now); i++)
    if (made[i] < oldest)
      old = i + 1;
  return MAX (count - old, MIN (RETENTION_ALWAYS, count));
}
