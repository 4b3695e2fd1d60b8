// SPDX-License-Identifier: GPL-2.0-or-later
// What holds of every reader that fails.

#include "fuzz.h"

gboolean
fuzz_check_result (gconstpointer what, const GError *error)
{
  g_assert_true ((what == NULL) == (error != NULL));
  if (what)
    return TRUE;
  g_assert_cmpstr (error->message, !=, "");
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  for (const char *at = error->message; *at; at = g_utf8_next_char (at))
    g_assert_true (g_unichar_isprint (g_utf8_get_char (at)));
  return FALSE;
}
