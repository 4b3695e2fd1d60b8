// SPDX-License-Identifier: GPL-2.0-or-later
// Sizes as people write them: "2GiB", "512MiB", "65536".
#pragma once

#include <glib.h>

#define KiB (G_GUINT64_CONSTANT (1) << 10)
#define MiB (G_GUINT64_CONSTANT (1) << 20)
#define GiB (G_GUINT64_CONSTANT (1) << 30)
#define TiB (G_GUINT64_CONSTANT (1) << 40)

/* Read TEXT, a whole number with an optional unit (B, KiB, MiB, GiB, TiB), into *BYTES.  Fails on
   anything else and on overflow; *BYTES is then untouched.  */
gboolean size_parse (const char *text, guint64 *bytes, GError **error);

/* BYTES for a person, three significant digits: "1.44 MiB".  Owned by the caller.  */
char *size_format (guint64 bytes);
