// SPDX-License-Identifier: GPL-2.0-or-later
// A text that a guest says on its serial console when it is up.

#include "console-text.h"

#include <string.h>

#include "fail.h"

gboolean
console_text_check (const char *text, GError **error)
{
  gsize length = strlen (text);

  if (length == 0 || length > CONSOLE_TEXT_MAX || !g_utf8_validate (text, -1, NULL))
    return fail (error, "a text to wait for has 1 to %d bytes of UTF-8", CONSOLE_TEXT_MAX);
  for (const char *at = text; *at; at++)
    if (g_ascii_iscntrl (*at))
      return fail (error, "a text to wait for has no control characters: write a part of one line");
  return TRUE;
}
