// SPDX-License-Identifier: GPL-2.0-or-later
// Attachments: images that are drives of this host itself, without a virtual machine.

#include "attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/loop-device.h"
#include "qcow-backing/mount-list.h"

#define NAME_PREFIX  "attach-"
#define NAME_DIGITS  16
#define LOOP_PREFIX  "gild:"
#define LOOP_DEVICES "/dev/loop"
#define LOCK_SECONDS 5

char *
attachment_directory (const char *path, GError **error)
{
  char *real = realpath (path, NULL);

  if (!real && (errno == EIO || errno == ENOTCONN))
    {
      g_autofree char *parent_path = g_path_get_dirname (path);
      g_autofree char *base = g_path_get_basename (path);
      char *parent = realpath (parent_path, NULL);
      if (parent)
        real = g_build_filename (parent, base, NULL);
      free (parent);
      return real;
    }
  if (!real)
    fail_errno (error, "%s", path);
  char *directory = g_strdup (real);
  free (real);
  return directory;
}

char *
attachment_name (const char *run_dir, const char *directory)
{
  g_autofree char *place = g_strdup_printf ("%s\n%s", run_dir, directory);
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, place, -1);

  return g_strdup_printf (NAME_PREFIX "%.*s", NAME_DIGITS, hash);
}

char *
attachment_loop_name (const char *name)
{
  return g_strconcat (LOOP_PREFIX, name, NULL);
}

gboolean
attachment_is_mounted (const char *directory)
{
  g_autoptr (GPtrArray) mounts = mount_list_read ();

  for (guint i = 0; i < mounts->len; i++)
    {
      const Mount *mount = mounts->pdata[i];
      if (g_str_equal (mount->place, directory))
        return g_str_has_prefix (mount->source, LOOP_DEVICES);
    }
  return FALSE;
}

/* Whether MOUNT is of the attachment NAME: from its loop device, or at its place from one whose
   disk is lost.  */
static gboolean
is_of (const Mount *mount, const char *run_dir, const char *name)
{
  if (!g_str_has_prefix (mount->source, LOOP_DEVICES))
    return FALSE;
  g_autofree char *actual = loop_device_name (mount->source);
  g_autofree char *wanted =
      actual ? attachment_loop_name (name) : attachment_name (run_dir, mount->place);
  return g_str_equal (wanted, actual ? actual : name);
}

gboolean
attachment_has_mounts (const char *run_dir, const char *name)
{
  g_autoptr (GPtrArray) mounts = mount_list_read ();

  for (guint i = 0; i < mounts->len; i++)
    if (is_of (mounts->pdata[i], run_dir, name))
      return TRUE;
  return FALSE;
}

gboolean
attachment_unmount (const char *run_dir, const char *name, gboolean lazy, GError **error)
{
  g_autoptr (GPtrArray) mounts = mount_list_read ();

  for (guint i = 0; i < mounts->len; i++)
    {
      const Mount *mount = mounts->pdata[i];
      if (!is_of (mount, run_dir, name)
          || umount2 (mount->place, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        continue;
      if (errno == EBUSY)
        return fail_code (
            error, G_IO_ERROR_BUSY,
            "%s is in use: close what uses it, which `fuser -vm %s` lists, and try again",
            mount->place, mount->place);
      return fail_errno (error, "cannot unmount %s", mount->place);
    }
  return TRUE;
}

int
attachment_lock (const char *directory, GError **error)
{
  gint64 end = g_get_monotonic_time () + LOCK_SECONDS * G_TIME_SPAN_SECOND;
  int fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    {
      fail_errno (error, "%s", directory);
      return -1;
    }
  while (flock (fd, LOCK_EX | LOCK_NB) < 0)
    {
      if (g_get_monotonic_time () > end)
        {
          fail_code (error, G_IO_ERROR_BUSY,
                     "somebody else is about to attach or detach an image at %s", directory);
          close (fd);
          return -1;
        }
      g_usleep (G_TIME_SPAN_SECOND / 50);
    }
  return fd;
}
