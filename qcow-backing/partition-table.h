// SPDX-License-Identifier: GPL-2.0-or-later
// The partitions of a disk: GPT, or the MBR with its logical partitions.
//
// Formats: UEFI 2.10, chapter 5; sectors are of 512 bytes.
#pragma once

#include <glib.h>

typedef struct
{
  guint number; // as Linux counts them: from 1, logical ones from 5
  guint64 offset_bytes, size_bytes;
} Partition;

#define PARTITIONS_MAX 256u

/* Reads SIZE bytes at OFFSET into BUFFER, all of them or an error.  */
typedef gboolean (*PartitionReadFunc) (gpointer data, guint64 offset, void *buffer, gsize size,
                                       GError **error);

/* The partitions, as Partition, of a disk of DISK_SIZE bytes that READ reads: by rising number,
   each within the disk.  Empty where the disk has no table, which is a file system's then.  An
   error where a table is there and makes no sense, or READ fails.  */
GArray *partition_table_read (PartitionReadFunc read, gpointer data, guint64 disk_size,
                              GError **error);
