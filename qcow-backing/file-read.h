// SPDX-License-Identifier: GPL-2.0-or-later
// Reading a file whole that somebody else may have put there.
#pragma once

#include <glib.h>

/* The contents of the file at PATH, at most MAX bytes, NUL-terminated beyond *SIZE (may be NULL);
   the caller's.  Follows no link at its end, and waits for nothing.  G_IO_ERROR_NOT_FOUND if there
   is none.  */
char *file_read (const char *path, gsize max, gsize *size, GError **error);
