// SPDX-License-Identifier: GPL-2.0-or-later
// The files of a version, read-only, in a file system that is mounted nowhere.
//
// As gild attach, from the bottom up: nbdkit's export, qemu-storage-daemon's file of it
// (fuse-disk.h), a loop device, a file system; but that one is a descriptor alone (fsmount(2)), so
// no process comes upon it, and all of it ends with this process.

#include "version-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <unistd.h>

#include "attach-mount.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/fuse-disk.h"
#include "qcow-backing/loop-device.h"
#include "qcow-backing/site.h"

#define LOOP_NAME "gild-diff"

/* What a file system is told beside "read-only".  The same file system may be there twice, and its
   journal cannot be replayed; a damaged one is to give errors, whatever it says itself.  */
typedef struct
{
  const char *type; // as blkid(8) has it
  const char *driver;
  const char *options[3]; // "name" or "name=value"
} FileSystem;

static const FileSystem FILE_SYSTEMS[] = {
  { "ext2", "ext2", { "errors=remount-ro" } },
  { "ext3", "ext3", { "noload", "errors=remount-ro" } },
  { "ext4", "ext4", { "noload", "errors=remount-ro" } },
  { "xfs", "xfs", { "norecovery", "nouuid" } },
  { "btrfs", "btrfs", { "rescue=nologreplay" } },
  { "ntfs", "ntfs3", { NULL } },
};

/* What is on DEVICE.  */
static char *
find_type (const char *device, GError **error)
{
  const char *argv[] = { BLKID, "-p", "-s", "TYPE", "-o", "value", "--", device, NULL };
  g_autofree char *type = NULL;

  if (!attach_ask ((char **)argv, &type, NULL) || !*g_strstrip (type))
    {
      fail (error, "there is no file system that is known (see blkid(8)); does --partition say "
                   "where it is?");
      return NULL;
    }
  return g_steal_pointer (&type);
}

static gboolean
set_option (int context, const char *option)
{
  g_auto (GStrv) parts = g_strsplit (option, "=", 2);

  return fsconfig (context, parts[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, parts[0], parts[1],
                   0)
         == 0;
}

/* Mount what is on DEVICE by CONTEXT; -1 and errno on error.  */
static int
configure (int context, const FileSystem *file_system, const char *device)
{
  if (fsconfig (context, FSCONFIG_SET_STRING, "source", device, 0) < 0
      || !set_option (context, "ro"))
    return -1;
  for (gsize i = 0; i < G_N_ELEMENTS (file_system->options) && file_system->options[i]; i++)
    if (!set_option (context, file_system->options[i]))
      return -1;
  if (fsconfig (context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return -1;
  return fsmount (context, FSMOUNT_CLOEXEC,
                  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

static int
mount_nowhere (const FileSystem *file_system, const char *device, GError **error)
{
  int context = fsopen (file_system->driver, FSOPEN_CLOEXEC);

  if (context < 0)
    {
      fail_errno (error, "this kernel does not know its file system, %s", file_system->type);
      return -1;
    }
  int fd = configure (context, file_system, device);
  if (fd < 0)
    fail_errno (error, "its file system, %s, is damaged, or not what this kernel knows of it",
                file_system->type);
  close (context);
  return fd;
}

static int
mount_device (const char *device, GError **error)
{
  g_autofree char *type = find_type (device, error);

  if (!type)
    return -1;
  FileSystem file_system = { type, type, { NULL } };
  for (gsize i = 0; i < G_N_ELEMENTS (FILE_SYSTEMS); i++)
    if (g_str_equal (type, FILE_SYSTEMS[i].type))
      file_system = FILE_SYSTEMS[i];
  return mount_nowhere (&file_system, device, error);
}

/* Hear of damage in the file system of TREE, where its kind tells: of a directory ext4 passes over
   a damaged block, and who reads it is not told.  */
static int
hear_of_damage (const VersionTree *tree)
{
  int fd = fanotify_init (FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY);

  if (fd >= 0
      && fanotify_mark (fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, tree->fd, ".") == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

/* Mount PARTITION of the disk of TREE.  */
static gboolean
mount_disk (VersionTree *tree, int partition, GError **error)
{
  g_autofree char *device = NULL;

  if (!attach_find_partition (tree->disk_fd, partition, &tree->part, error))
    return FALSE;
  int loop = loop_device_open (tree->disk_fd, tree->part.offset_bytes, tree->part.size_bytes,
                               LOOP_NAME, &device, error);
  if (loop < 0)
    return FALSE;
  tree->mount_fd = mount_device (device, error);
  close (loop);
  if (tree->mount_fd < 0)
    return FALSE;
  tree->fd = openat (tree->mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (tree->fd < 0)
    return fail_errno (error, "its top directory cannot be read");
  tree->errors_fd = hear_of_damage (tree);
  return TRUE;
}

VersionTree *
version_tree_open (const Config *config, const char *image, guint version, int partition,
                   GError **error)
{
  g_autofree char *socket = config_run_path (config, "nbd.sock", NULL);
  g_autoptr (VersionTree) tree = g_new (VersionTree, 1);

  *tree = (VersionTree){ g_strdup_printf ("%s@%u", image, version), -1, -1, -1, -1, { 0 } };
  FuseDisk disk = { NULL, socket, tree->name, { 0 } };
  if (site_owner_identity (config, &disk.identity, error))
    tree->disk_fd = fuse_disk_open (&disk, error);
  if (tree->disk_fd >= 0 && mount_disk (tree, partition, error))
    return g_steal_pointer (&tree);
  g_prefix_error (error, "%s: ", tree->name);
  return NULL;
}

gboolean
version_tree_check (const VersionTree *tree, GError **error)
{
  char event[4096];

  return tree->errors_fd < 0 || read (tree->errors_fd, event, sizeof event) < 0
         || fail (
             error,
             "%s: its file system is damaged: repair it with fsck in `gild edit %s`, or see the "
             "kernel's log for where",
             tree->name, tree->name);
}

void
version_tree_free (VersionTree *tree)
{
  if (!tree)
    return;
  const int fds[] = { tree->errors_fd, tree->fd, tree->mount_fd };
  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    if (fds[i] >= 0)
      close (fds[i]);
  if (tree->disk_fd >= 0)
    fuse_disk_close (tree->disk_fd);
  g_free (tree->name);
  g_free (tree);
}
