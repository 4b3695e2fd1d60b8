// SPDX-License-Identifier: GPL-2.0-or-later
// What is JSON: json-glib's parser takes far more than the standard does, and recurses.
#pragma once

#include <glib.h>

/* Whether the SIZE bytes at TEXT are one JSON object that any program reads the same way: RFC 8259
   in UTF-8, and besides it nests at most NESTING_MAX deep, no string holds U+0000, and whole
   numbers have at most 18 digits, which 64 bits can hold.  The error says where it is not.  */
gboolean json_check_object (const char *text, gsize size, guint nesting_max, GError **error);
