// SPDX-License-Identifier: GPL-2.0-or-later
// The directory RUN/desktops/NAME: a tmpfs that holds a desktop's overlays while it runs.

#include "overlay-mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "qcow-backing/directory.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/pins.h"

struct OverlayMount
{
  char *path;      // for people
  char *name;      // of the directory in DESKTOPS_FD
  char *pin;       // of the pin there
  int desktops_fd; // RUN/desktops
};

int
overlay_mount_open_desktops (const char *run_dir, GError **error)
{
  // RUN lies in a directory of root's, so its own path may lead through links.
  int run_fd = open (run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd = run_fd < 0 ? -1 : directory_open (run_fd, "desktops");

  if (fd < 0)
    fail_errno (error, "cannot open %s/desktops", run_dir);
  if (run_fd >= 0)
    close (run_fd);
  return fd;
}

OverlayMount *
overlay_mount_open (const char *run_dir, const char *name, GError **error)
{
  int desktops_fd = overlay_mount_open_desktops (run_dir, error);

  if (desktops_fd < 0)
    return NULL;
  OverlayMount *mount = g_new0 (OverlayMount, 1);
  mount->path = g_build_filename (run_dir, "desktops", name, NULL);
  mount->name = g_strdup (name);
  mount->pin = g_strconcat (name, PIN_SUFFIX, NULL);
  mount->desktops_fd = desktops_fd;
  return mount;
}

void
overlay_mount_free (OverlayMount *mount)
{
  if (!mount)
    return;
  close (mount->desktops_fd);
  g_free (mount->path);
  g_free (mount->name);
  g_free (mount->pin);
  g_free (mount);
}

gboolean
overlay_mount_has_leftovers (const OverlayMount *mount)
{
  struct stat status;

  return fstatat (mount->desktops_fd, mount->name, &status, AT_SYMLINK_NOFOLLOW) == 0
         || fstatat (mount->desktops_fd, mount->pin, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

gboolean
overlay_mount_is_held (const OverlayMount *mount)
{
  int fd = directory_open (mount->desktops_fd, mount->name);
  gboolean held = fd >= 0 && directory_is_held (fd);

  if (fd >= 0)
    close (fd);
  return held;
}

int
overlay_mount_open_overlays (const OverlayMount *mount)
{
  int fd = directory_open (mount->desktops_fd, mount->name);
  struct stat status, parent;
  struct statfs filesystem;

  if (fd < 0)
    return -1;
  if (fstat (fd, &status) == 0 && fstat (mount->desktops_fd, &parent) == 0
      && status.st_dev != parent.st_dev && status.st_uid == 0 && (status.st_mode & 0022) == 0
      && fstatfs (fd, &filesystem) == 0 && filesystem.f_type == TMPFS_MAGIC)
    return fd;
  close (fd);
  return -1;
}

gboolean
overlay_mount_remove (OverlayMount *mount, GError **error)
{
  int fd = overlay_mount_open_overlays (mount);

  if (fd >= 0)
    {
      directory_empty (fd);
      close (fd);
    }
  // umount2 has no *at form, and with UMOUNT_NOFOLLOW it does not take /proc/self/fd.
  if (fchdir (mount->desktops_fd) < 0)
    return fail_errno (error, "cannot enter the directory of %s", mount->path);
  // MNT_DETACH: whoever looks into the directory must not keep it from going.
  while (umount2 (mount->name, UMOUNT_NOFOLLOW) == 0
         || (errno == EBUSY && umount2 (mount->name, UMOUNT_NOFOLLOW | MNT_DETACH) == 0))
    continue;
  if (errno != EINVAL && errno != ENOENT)
    return fail_errno (error, "cannot unmount %s", mount->path);
  if (unlinkat (mount->desktops_fd, mount->name, AT_REMOVEDIR) < 0 && errno != ENOENT
      && (errno != ENOTDIR || unlinkat (mount->desktops_fd, mount->name, 0) < 0))
    return fail_errno (error, "cannot remove %s, remove it by hand", mount->path);
  return TRUE;
}

/* Mount on the directory as it is open, whatever its name may come to mean meanwhile.  */
static gboolean
mount_tmpfs (const OverlayMount *mount_point, guint64 cap_bytes, GError **error)
{
  g_autofree char *options =
      g_strdup_printf ("size=%" G_GUINT64_FORMAT ",mode=0711,uid=0,gid=0", cap_bytes);
  int fd = directory_open (mount_point->desktops_fd, mount_point->name);
  gboolean done = fd >= 0 && fchdir (fd) == 0
                  && mount ("gild", ".", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) == 0;

  if (!done)
    fail_errno (error, "cannot mount a tmpfs at %s", mount_point->path);
  if (fd >= 0)
    close (fd);
  return done;
}

static gboolean
enter_mounted (const OverlayMount *mount, GError **error)
{
  int fd = overlay_mount_open_overlays (mount);
  gboolean done = fd >= 0 && fchdir (fd) == 0;

  if (fd >= 0)
    close (fd);
  return done
         || fail (error, "somebody changed %s while it was mounted: see who runs as its owner",
                  mount->path);
}

gboolean
overlay_mount_make (OverlayMount *mount, guint64 cap_bytes, GError **error)
{
  if (!overlay_mount_remove (mount, error))
    return FALSE;
  if (mkdirat (mount->desktops_fd, mount->name, 0711) < 0)
    return fail_errno (error, "cannot make the directory %s", mount->path);
  if (mount_tmpfs (mount, cap_bytes, error) && enter_mounted (mount, error))
    return TRUE;
  overlay_mount_remove (mount, NULL);
  return FALSE;
}

gboolean
overlay_mount_remove_pin (const OverlayMount *mount, GError **error)
{
  if (unlinkat (mount->desktops_fd, mount->pin, 0) < 0 && errno != ENOENT)
    return fail_errno (error, "cannot remove the pin %s.json", mount->path);
  return TRUE;
}
