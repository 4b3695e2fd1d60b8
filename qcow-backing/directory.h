// SPDX-License-Identifier: GPL-2.0-or-later
// Directories by descriptor, in places whose owner the caller does not trust: no link is followed.
#pragma once

#include <glib.h>

/* Open the directory NAME in the directory PARENT_FD.  -1 and errno, which is ENOTDIR also for a
   link.  */
int directory_open (int parent_fd, const char *name);

/* The names in the directory FD, but "." and "..", in no order.  NULL and errno on error.  */
GPtrArray *directory_names (int fd);

/* Remove what is in the directory FD, but directories.  Returns FALSE and sets errno if something
   stays.  */
gboolean directory_empty (int fd);

/* Bytes that may be taken of the disk that the directory FD is on before only its last tenth is
   left; 0 where that cannot be told.  */
guint64 directory_room_bytes (int fd);

/* Whether somebody has locked bytes of a file in the directory FD, as QEMU does of every image that
   it has open.  What cannot be asked counts as locked.  */
gboolean directory_is_held (int fd);
