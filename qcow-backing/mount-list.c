// SPDX-License-Identifier: GPL-2.0-or-later
// What is mounted where, as this process sees it (proc_pid_mountinfo(5)).

#include "mount-list.h"

#include <string.h>

#define MOUNTS    "/proc/self/mountinfo"
#define SEPARATOR " - "

static void
mount_free (gpointer data)
{
  Mount *mount = data;

  g_free (mount->place);
  g_free (mount->source);
  g_free (mount);
}

/* "36 35 7:0 / /mnt rw,noatime shared:1 - ext4 /dev/loop0 rw", blanks being "\040".  NULL where it
   is not like that.  */
static Mount *
parse_line (const char *line)
{
  const char *separator = strstr (line, SEPARATOR);
  g_auto (GStrv) before = g_strsplit (line, " ", 6);
  g_auto (GStrv) behind = g_strsplit (separator ? separator + strlen (SEPARATOR) : "", " ", 3);

  if (g_strv_length (before) < 6 || g_strv_length (behind) < 3)
    return NULL;
  Mount *mount = g_new (Mount, 1);
  *mount = (Mount){ g_strcompress (before[4]), g_strcompress (behind[1]) };
  return mount;
}

GPtrArray *
mount_list_read (void)
{
  GPtrArray *mounts = g_ptr_array_new_with_free_func (mount_free);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (MOUNTS, &text, NULL, NULL))
    return mounts;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (gsize i = g_strv_length (lines); i > 0; i--)
    {
      Mount *mount = parse_line (lines[i - 1]);
      if (mount)
        g_ptr_array_add (mounts, mount);
    }
  return mounts;
}
