// SPDX-License-Identifier: GPL-2.0-or-later
// Text of unknown origin, for a terminal or a log.
#pragma once

/* TEXT, which may be cut in the middle of a character, as one line of UTF-8 that does nothing to a
   terminal; the caller's.  */
char *printable_line (const char *text);
