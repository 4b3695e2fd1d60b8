// SPDX-License-Identifier: GPL-2.0-or-later
// Loop devices: an open file, or a part of it, as a block device of this host's (loop(4)).

#include "loop-device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fail.h"

#define SECTOR_SIZE 512
#define TRIES_MAX   32

G_STATIC_ASSERT (LOOP_DEVICE_NAME_MAX == LO_NAME_SIZE - 1);

/* Open the first free device, which somebody else may take before it is configured.  */
static int
open_free (char **path, GError **error)
{
  int control = open ("/dev/loop-control", O_RDWR | O_CLOEXEC);
  int number = control < 0 ? -1 : ioctl (control, LOOP_CTL_GET_FREE);

  if (number < 0)
    fail_errno (error, "there is no free loop device (see `modprobe loop`): /dev/loop-control");
  if (control >= 0)
    close (control);
  if (number < 0)
    return -1;
  g_free (*path);
  *path = g_strdup_printf ("/dev/loop%d", number);
  int fd = open (*path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    fail_errno (error, "cannot open %s", *path);
  return fd;
}

int
loop_device_open (int file_fd, guint64 offset, guint64 size, const char *name, char **path,
                  GError **error)
{
  struct loop_config config = { .fd = (guint32)file_fd, .block_size = SECTOR_SIZE };
  g_autofree char *device = NULL;

  config.info.lo_offset = offset;
  config.info.lo_sizelimit = size;
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  g_strlcpy ((char *)config.info.lo_file_name, name, sizeof config.info.lo_file_name);
  for (int i = 0; i < TRIES_MAX; i++)
    {
      int fd = open_free (&device, error);
      if (fd < 0)
        return -1;
      if (ioctl (fd, LOOP_CONFIGURE, &config) == 0)
        {
          *path = g_steal_pointer (&device);
          return fd;
        }
      int cause = errno;
      close (fd);
      errno = cause;
      if (cause != EBUSY)
        break;
    }
  fail_errno (error, "cannot configure %s", device);
  return -1;
}

char *
loop_device_name (const char *path)
{
  struct loop_info64 info;
  int fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  char *name = NULL;

  // The kernel asks the file too, so this fails where that is a server's which is dead.
  if (fd >= 0 && ioctl (fd, LOOP_GET_STATUS64, &info) == 0)
    name = g_strndup ((const char *)info.lo_file_name, sizeof info.lo_file_name);
  if (fd >= 0)
    close (fd);
  return name;
}
