// SPDX-License-Identifier: GPL-2.0-or-later
// What gild attach does with the disk, once it is a file: partition, loop device, file system.

#include "attach-mount.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/loop-device.h"
#include "qcow-backing/size.h"

static gboolean
read_file (gpointer data, guint64 offset, void *buffer, gsize size, GError **error)
{
  const int *fd = data;

  for (gsize done = 0; done < size;)
    {
      gssize n = pread (*fd, (char *)buffer + done, size - done, (off_t)(offset + done));
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return fail_errno (error, "cannot read the disk's partition table");
      done += (gsize)n;
    }
  return TRUE;
}

/* "1 (20.0 GiB), 14 (4.00 MiB)".  */
static char *
list_partitions (const GArray *partitions)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < partitions->len; i++)
    {
      const Partition *partition = &g_array_index (partitions, Partition, i);
      g_autofree char *size = size_format (partition->size_bytes);
      g_string_append_printf (text, "%s%u (%s)", i > 0 ? ", " : "", partition->number, size);
    }
  return g_string_free (text, FALSE);
}

/* The part of the disk of DISK_SIZE bytes that is meant by NUMBER.  */
static gboolean
choose (const GArray *partitions, int number, guint64 disk_size, Partition *part, GError **error)
{
  *part = (Partition){ 0, 0, disk_size };
  if (number == 0 || (number == ATTACH_ONLY_PARTITION && partitions->len == 0))
    return TRUE;
  for (guint i = 0; i < partitions->len; i++)
    {
      const Partition *here = &g_array_index (partitions, Partition, i);
      if (here->number == (guint)number
          || (number == ATTACH_ONLY_PARTITION && partitions->len == 1))
        {
          *part = *here;
          return TRUE;
        }
    }
  g_autofree char *list = list_partitions (partitions);
  if (number == ATTACH_ONLY_PARTITION)
    return fail (error, "the disk has several partitions, say which with --partition: %s", list);
  if (partitions->len == 0)
    return fail (error, "the disk has no partitions: leave --partition out");
  return fail (error, "the disk has no partition %d, but these: %s", number, list);
}

/* Between fork and exec: to end with the parent, who may be killed.  */
static void
end_with_parent (gpointer parent)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != GPOINTER_TO_INT (parent))
    _exit (127);
}

gboolean
attach_ask (char **argv, char **answer, GError **error)
{
  g_autofree char *said = NULL;
  int status;

  if (!g_spawn_sync (NULL, argv, NULL, answer ? 0 : G_SPAWN_STDOUT_TO_DEV_NULL, end_with_parent,
                     GINT_TO_POINTER (getpid ()), answer, &said, &status, error))
    return FALSE;
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return TRUE;
  if (answer)
    g_clear_pointer (answer, g_free);
  g_strstrip (said);
  said[strcspn (said, "\n")] = '\0';
  return fail (error, "%s", *said ? said : "it ended without a word");
}

gboolean
attach_run (char **argv, GError **error)
{
  return attach_ask (argv, NULL, error);
}

gboolean
attach_check_partition (int partition, GError **error)
{
  return (partition >= ATTACH_ONLY_PARTITION && partition <= (int)PARTITIONS_MAX)
         || fail (error, "--partition: write a number from 1 to %u, or 0 for the whole disk",
                  PARTITIONS_MAX);
}

static gboolean
mount_device (const char *device, const char *directory, const char *options, GError **error)
{
  const char *argv[] = { MOUNT_PROGRAM, "-o", options, "--", device, directory, NULL };

  return attach_run ((char **)argv, error);
}

gboolean
attach_find_partition (int file_fd, int partition, Partition *part, GError **error)
{
  off_t size = lseek (file_fd, 0, SEEK_END);

  if (size < 0)
    return fail_errno (error, "cannot measure the disk");
  g_autoptr (GArray) partitions = partition_table_read (read_file, &file_fd, (guint64)size, error);
  return partitions && choose (partitions, partition, (guint64)size, part, error);
}

gboolean
attach_mount (int file_fd, const AttachMount *mount, GError **error)
{
  g_autofree char *device = NULL;
  Partition part;

  if (!attach_find_partition (file_fd, mount->partition, &part, error))
    return FALSE;
  int loop = loop_device_open (file_fd, part.offset_bytes, part.size_bytes, mount->loop_name,
                               &device, error);
  if (loop < 0)
    return FALSE;
  // What is deleted gives its RAM back, where the file system can.
  gboolean done = (!mount->read_only && !mount->keeps_deleted
                   && mount_device (device, mount->directory, "rw,nosuid,nodev,discard", NULL))
                  || mount_device (device, mount->directory,
                                   mount->read_only ? "ro,nosuid,nodev" : "rw,nosuid,nodev", error);
  close (loop);
  return done;
}
