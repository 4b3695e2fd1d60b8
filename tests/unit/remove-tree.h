// SPDX-License-Identifier: GPL-2.0-or-later
// What a test has made in a directory of its own goes at its end.
#pragma once

#include <glib.h>

/* Remove PATH with all that is in it; links are not followed.  */
static inline void
remove_tree (const char *path)
{
  const char *argv[] = { "rm", "-rf", path, NULL };

  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, NULL, NULL));
}
