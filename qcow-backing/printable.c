// SPDX-License-Identifier: GPL-2.0-or-later
// Text of unknown origin, for a terminal or a log.

#include "printable.h"

#include <glib.h>

char *
printable_line (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autoptr (GString) line = g_string_new (NULL);

  for (const char *at = valid; *at; at = g_utf8_next_char (at))
    g_string_append_unichar (line,
                             g_unichar_isprint (g_utf8_get_char (at)) ? g_utf8_get_char (at) : ' ');
  return g_string_free (g_steal_pointer (&line), FALSE);
}
