// SPDX-License-Identifier: GPL-2.0-or-later
// Text of unknown origin, for a terminal or a log.
#pragma once

/* TEXT, which may be cut in the middle of a character, as one line of UTF-8 that does nothing to a
   terminal; the caller's.  */
char *printable_line (const char *text);

/* PATH as git(1) quotes one: as it is where all of it is text that can be printed; else within
   double quotes, with a backslash before a double quote and a backslash, \n, \t, and each other
   byte that cannot be printed as a backslash and three octal digits.  So no two are alike.  The
   caller's.  */
char *printable_path (const char *path);
