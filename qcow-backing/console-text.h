// SPDX-License-Identifier: GPL-2.0-or-later
// A text that a guest says on its serial console when it is up.
#pragma once

#include <glib.h>

#define CONSOLE_TEXT_MAX 200 // bytes

/* Whether TEXT can be looked for: 1 to CONSOLE_TEXT_MAX bytes of UTF-8 and no control character.
 */
gboolean console_text_check (const char *text, GError **error);
