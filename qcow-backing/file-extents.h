// SPDX-License-Identifier: GPL-2.0-or-later
// Where the bytes of a file lie on a disk, as the file system tells (FIEMAP): a file none of whose
// chunks has changed need not be read to know that it is the same.
#pragma once

#include "index.h"

/* The disk that a file's file system is on.  */
typedef struct
{
  const Index *index;
  guint64 offset_bytes; // where the file system begins on it
} ExtentDisk;

/* Whether the files OLD_FD on the disk OLD_DISK and NEW_FD on NEW_DISK, of the same size, lie at
   the same places of their disks, and in chunks that are the same.  FALSE also where that cannot be
   told, as of file systems other than ext4 and XFS.  */
gboolean file_extents_are_same (int old_fd, const ExtentDisk *old_disk, int new_fd,
                                const ExtentDisk *new_disk);
