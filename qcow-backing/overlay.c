// SPDX-License-Identifier: GPL-2.0-or-later
// The overlay: the thin qcow2 that takes one desktop's writes, over a version served by nbdkit.

#include "overlay.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

char *
overlay_backing_uri (const char *image, guint version, const char *nbd_socket)
{
  g_autofree char *socket = g_uri_escape_string (nbd_socket, "/", FALSE);

  // IMAGE has only characters that a URI's path may have.
  return g_strdup_printf ("nbd+unix:///%s@%u?socket=%s", image, version, socket);
}

char **
overlay_create_argv (const char *path, const char *backing_format, const char *backing,
                     guint64 virtual_size)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  g_autofree char *size = g_strdup_printf ("%" G_GUINT64_FORMAT, virtual_size);

  // -u: the size is given, so that qemu-img opens no backing file.
  g_strv_builder_add_many (argv, QEMU_IMG, "create", "-q", "-u", "-f", "qcow2", "-o",
                           "cluster_size=64k,extended_l2=on", "-F", backing_format, "-b", backing,
                           "--", path, size, NULL);
  return g_strv_builder_end (argv);
}

gboolean
overlay_measure (const Config *config, const char *name, guint64 *used_bytes, guint64 *cap_bytes)
{
  g_autofree char *parent_path = config_run_path (config, "desktops", NULL);
  g_autofree char *path = config_run_path (config, "desktops", name, NULL);
  struct stat parent, mount;
  struct statvfs status;

  if (stat (parent_path, &parent) < 0 || stat (path, &mount) < 0 || statvfs (path, &status) < 0
      || mount.st_dev == parent.st_dev)
    return FALSE;
  *cap_bytes = (guint64)status.f_blocks * status.f_frsize;
  *used_bytes = *cap_bytes - (guint64)status.f_bfree * status.f_frsize;
  return TRUE;
}
