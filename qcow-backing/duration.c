// SPDX-License-Identifier: GPL-2.0-or-later
// Times that something may take, as people write them: "90s", "5m", "2h".

#include "duration.h"

#include "fail.h"

static const struct
{
  const char *name;
  guint seconds;
} UNITS[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 24 * 3600 } };

gboolean
duration_parse (const char *text, guint *seconds, GError **error)
{
  char *unit = NULL;
  guint64 number = 0;

  if (g_ascii_isdigit (text[0]))
    number = g_ascii_strtoull (text, &unit, 10);
  for (gsize i = 0; unit && i < G_N_ELEMENTS (UNITS); i++)
    {
      if (!g_str_equal (unit, UNITS[i].name))
        continue;
      if (number == 0 || number > DURATION_MAX_SECONDS / UNITS[i].seconds)
        return fail (error, "'%.50s' is no time to wait: write from 1s to 366d", text);
      *seconds = (guint)number * UNITS[i].seconds;
      return TRUE;
    }
  return fail (error, "'%.50s' is not a time: write a whole number and s, m, h or d, as in 5m",
               text);
}
