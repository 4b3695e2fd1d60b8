// SPDX-License-Identifier: GPL-2.0-or-later
// The overlay: the thin qcow2 that takes one desktop's writes, over a version served by nbdkit.
#pragma once

#include "config.h"

/* "nbd+unix:///IMAGE@VERSION?socket=NBD_SOCKET", with what a URI needs escaped.  */
char *overlay_backing_uri (const char *image, guint version, const char *nbd_socket);

/* The arguments, NULL-terminated, of the qemu-img that makes an overlay of VIRTUAL_SIZE bytes at
   PATH over BACKING, a file or URI of BACKING_FORMAT.  64 KiB clusters with sub-clusters: a 4 KiB
   write costs 4 KiB.  Nothing opens BACKING.  */
char **overlay_create_argv (const char *path, const char *backing_format, const char *backing,
                            guint64 virtual_size);

/* How much of the RAM that the overlays of desktop NAME may have they use.  FALSE where it has
   none.  */
gboolean overlay_measure (const Config *config, const char *name, guint64 *used_bytes,
                          guint64 *cap_bytes);
