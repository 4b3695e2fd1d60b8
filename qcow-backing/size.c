// SPDX-License-Identifier: GPL-2.0-or-later
// Sizes as people write them: "2GiB", "512MiB", "65536".

#include "size.h"

#include "fail.h"

static const struct
{
  const char *name;
  guint64 bytes;
} UNITS[] = {
  { "", 1 }, { "B", 1 }, { "KiB", KiB }, { "MiB", MiB }, { "GiB", GiB }, { "TiB", TiB }
};

gboolean
size_parse (const char *text, guint64 *bytes, GError **error)
{
  char *unit = NULL;
  guint64 number = 0;

  if (g_ascii_isdigit (text[0]))
    number = g_ascii_strtoull (text, &unit, 10);
  for (gsize i = 0; unit && i < G_N_ELEMENTS (UNITS); i++)
    {
      if (!g_str_equal (unit, UNITS[i].name))
        continue;
      if (number == G_MAXUINT64 || !g_uint64_checked_mul (&number, number, UNITS[i].bytes))
        return fail (error, "size '%s' is too large", text);
      *bytes = number;
      return TRUE;
    }
  return fail (error, "'%s' is not a size: write a whole number and B, KiB, MiB, GiB or TiB", text);
}

char *
size_format (guint64 bytes)
{
  gsize i = 2;

  if (bytes < KiB)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " B", bytes);
  while (i + 1 < G_N_ELEMENTS (UNITS) && bytes >= UNITS[i + 1].bytes)
    i++;
  double value = (double)bytes / (double)UNITS[i].bytes;
  int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
  return g_strdup_printf ("%.*f %s", decimals, value, UNITS[i].name);
}
