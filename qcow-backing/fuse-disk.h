// SPDX-License-Identifier: GPL-2.0-or-later
// A version, or a qcow2 overlay over it, as a file of this host's kernel: qemu-storage-daemon
// exports it by FUSE.
//
// The file system that it is in is mounted nowhere, so nobody comes upon it, and nobody waits for
// it who does not use the disk.  The disk lives as long as somebody has the file open, be it the
// caller or a loop device; when that ends, or the process dies, it is gone; what was written is in
// the overlay then, which is let go.
#pragma once

#include "child-identity.h"

/* What the process is called (comm) whose end is the disk's, and below which the others of it are.
 */
#define FUSE_DISK_PROCESS "gild-disk"

typedef struct
{
  const char *overlay;    // the qcow2's absolute path, IDENTITY's own; NULL: read-only
  const char *nbd_socket; // absolute path: where what is below the overlay is served
  const char *export;     // as what
  ChildIdentity identity; // who qemu-storage-daemon is
} FuseDisk;

/* Open DISK, for writing too where there is an overlay; closing the descriptor is its end.  Reads
   wait for an NBD server that is away, up to FUSE_DISK_RECONNECT_SECONDS, and fail then.  The
   overlay's backing file is not looked at.  For root; -1 on error, G_IO_ERROR_NOT_FOUND where the
   kernel has no FUSE.
 */
int fuse_disk_open (const FuseDisk *disk, GError **error);

/* Close FD, fuse_disk_open's, when nobody else has the file any more: so its end is as its server
   likes it.  */
void fuse_disk_close (int fd);

#define FUSE_DISK_RECONNECT_SECONDS 60
