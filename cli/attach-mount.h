// SPDX-License-Identifier: GPL-2.0-or-later
// What gild attach does with the disk, once it is a file: partition, loop device, file system.
#pragma once

#include "qcow-backing/partition-table.h"

typedef struct
{
  const char *loop_name; // of the loop device
  int partition;         // ATTACH_ONLY_PARTITION, 0 for the whole disk, or a number
  gboolean read_only;
  gboolean keeps_deleted; // do not discard what is deleted
  const char *directory;  // where to
} AttachMount;

/* The only one that there is; the whole disk where there is none.  */
#define ATTACH_ONLY_PARTITION (-1)

/* Whether PARTITION can be one.  */
gboolean attach_check_partition (int partition, GError **error);

/* The part of the disk FILE_FD that is meant by PARTITION.  */
gboolean attach_find_partition (int file_fd, int partition, Partition *part, GError **error);

/* Mount the disk that is the file FILE_FD.  When it is unmounted nothing of it is left.  */
gboolean attach_mount (int file_fd, const AttachMount *mount, GError **error);

/* Run ARGV, and wait for its end.  A failure is what it said.  */
gboolean attach_run (char **argv, GError **error);

/* The same; *ANSWER, owned by the caller, is what it printed.  */
gboolean attach_ask (char **argv, char **answer, GError **error);
