// SPDX-License-Identifier: GPL-2.0-or-later
// A file of what a guest says on its console: the beginning and the end, however much it says.
#pragma once

#include <glib.h>

#define CONSOLE_LOG_PART (1u << 20) // bytes: that much of the beginning, and of the end

typedef struct ConsoleLog ConsoleLog;

/* Write to a new file at PATH.  */
ConsoleLog *console_log_open (const char *path, GError **error);

/* Add SIZE bytes, as they are.  The file has them when this returns, and is never larger than four
   parts.  */
void console_log_add (ConsoleLog *log, const void *bytes, gsize size);

/* End the file, which has two parts and a line about what lies between them at most, and free LOG.
   Fails where not all of it could be written.  */
gboolean console_log_close (ConsoleLog *log, GError **error);
