// SPDX-License-Identifier: GPL-2.0-or-later
// The file system of a copy that is being edited, mounted in the edit's mount namespace.

#include "edit-mount.h"

#include <fcntl.h>
#include <unistd.h>

#include "left-behind.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/fuse-disk.h"
#include "qcow-backing/site.h"

char *
edit_mount_loop_name (const char *disk)
{
  g_autofree char *directory = g_path_get_dirname (disk);

  return g_path_get_basename (directory);
}

/* What served the disk meanwhile, as libvirt does, may have made it its own.  */
static gboolean
give_to_owner (const char *disk, const ChildIdentity *owner, GError **error)
{
  int fd = open (disk, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  gboolean done = fd >= 0 && (!owner->is_needed || fchown (fd, owner->uid, owner->gid) == 0);

  if (!done)
    fail_errno (error, "%s", disk);
  if (fd >= 0)
    close (fd);
  return done;
}

/* What was unmounted an instant ago may still be written back.  */
static gboolean
wait_until_free (const char *disk, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (disk);
  g_autofree char *name = g_path_get_basename (disk);
  int fd = open (directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  gboolean is_free =
      fd >= 0 ? left_behind_wait (fd, name, directory, error) : fail_errno (error, "%s", directory);

  if (fd >= 0)
    close (fd);
  return is_free;
}

gboolean
edit_mount (const EditMount *mount, GError **error)
{
  g_autofree char *socket = config_run_path (mount->config, "nbd.sock", NULL);
  g_autofree char *export = g_strdup_printf ("%s@%u", mount->image, mount->version);
  g_autofree char *loop_name = edit_mount_loop_name (mount->disk);
  const AttachMount attach = { .loop_name = loop_name,
                               .partition = mount->partition,
                               .read_only = mount->read_only,
                               .keeps_deleted = TRUE,
                               .directory = mount->directory };
  FuseDisk disk = { mount->disk, socket, export, { 0 } };

  if (geteuid () != 0)
    return fail (error, "only root can mount an image: run gild edit with sudo");
  if (!site_owner_identity (mount->config, &disk.identity, error)
      || !give_to_owner (mount->disk, &disk.identity, error)
      || !wait_until_free (mount->disk, error))
    return FALSE;
  int fd = fuse_disk_open (&disk, error);
  gboolean done = fd >= 0 && attach_mount (fd, &attach, error);
  if (fd >= 0)
    close (fd);
  if (!done)
    g_prefix_error (error, "%s cannot be mounted at %s: ", export, mount->directory);
  return done;
}
