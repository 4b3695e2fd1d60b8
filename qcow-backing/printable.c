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

/* The bytes of the character at AT if it can be printed as it is, else 0.  */
static gsize
plain_length (const char *at)
{
  gunichar c = g_utf8_get_char_validated (at, -1);

  if (c == (gunichar)-1 || c == (gunichar)-2 || c == '"' || c == '\\' || !g_unichar_isprint (c))
    return 0;
  return (gsize)(g_utf8_next_char (at) - at);
}

static void
append_quoted (GString *text, guchar byte)
{
  if (byte == '"' || byte == '\\')
    g_string_append_printf (text, "\\%c", byte);
  else if (byte == '\n' || byte == '\t')
    g_string_append (text, byte == '\n' ? "\\n" : "\\t");
  else
    g_string_append_printf (text, "\\%03o", byte);
}

char *
printable_path (const char *path)
{
  g_autoptr (GString) text = g_string_new ("\"");
  gboolean is_plain = TRUE;

  for (const char *at = path; *at;)
    {
      gsize length = plain_length (at);
      if (length > 0)
        g_string_append_len (text, at, (gssize)length);
      else
        append_quoted (text, (guchar)*at);
      is_plain = is_plain && length > 0;
      at += MAX (length, 1);
    }
  if (is_plain)
    return g_strdup (path);
  g_string_append_c (text, '"');
  return g_string_free (g_steal_pointer (&text), FALSE);
}
