// SPDX-License-Identifier: GPL-2.0-or-later
// What is mounted where, as this process sees it (proc_pid_mountinfo(5)).

#include "mount-list.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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

/* All that FD has to say now; NULL where it does not.  */
static char *
read_text (int fd)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char part[4096];
  gssize n = lseek (fd, 0, SEEK_SET);

  while (n >= 0 && (n = read (fd, part, sizeof part)) > 0)
    g_string_append_len (text, part, n);
  return n < 0 ? NULL : g_string_free (g_steal_pointer (&text), FALSE);
}

int
mount_list_open (void)
{
  return open (MOUNTS, O_RDONLY | O_CLOEXEC);
}

GPtrArray *
mount_list_read_fd (int fd)
{
  GPtrArray *mounts = g_ptr_array_new_with_free_func (mount_free);
  g_autofree char *text = fd < 0 ? NULL : read_text (fd);

  if (!text)
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

GPtrArray *
mount_list_read (void)
{
  int fd = mount_list_open ();
  GPtrArray *mounts = mount_list_read_fd (fd);

  if (fd >= 0)
    close (fd);
  return mounts;
}
