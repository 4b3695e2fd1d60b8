// SPDX-License-Identifier: GPL-2.0-or-later
// The overlay: the thin qcow2 that takes one desktop's writes, over a version served by nbdkit.
#pragma once

#include <glib.h>

/* "nbd+unix:///IMAGE@VERSION?socket=NBD_SOCKET", with what a URI needs escaped.  */
char *overlay_backing_uri (const char *image, guint version, const char *nbd_socket);

/* The arguments, NULL-terminated, of the qemu-img that makes an overlay of VIRTUAL_SIZE bytes at
   PATH. 64 KiB clusters with sub-clusters: a 4 KiB write costs 4 KiB.  Nothing opens the backing
   file.  */
char **overlay_create_argv (const char *path, const char *backing_uri, guint64 virtual_size);
