// SPDX-License-Identifier: GPL-2.0-or-later
// A disk's partition table: what is taken lies within the disk, and only what is there is read.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/partition-table.h"

typedef struct
{
  const guint8 *data;
  gsize size;
} Disk;

static gboolean
read_disk (gpointer data, guint64 offset, void *buffer, gsize size, GError **error)
{
  const Disk *disk = data;

  g_assert_cmpuint (offset, <=, disk->size);
  g_assert_cmpuint (size, <=, disk->size - offset);
  memcpy (buffer, disk->data + offset, size);
  return TRUE;
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  Disk disk = { data, size };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) partitions = partition_table_read (read_disk, &disk, size, &error);
  guint last = 0;

  if (!fuzz_check_result (partitions, error))
    return FALSE;
  g_assert_cmpuint (partitions->len, <=, PARTITIONS_MAX);
  for (guint i = 0; i < partitions->len; i++)
    {
      const Partition *partition = &g_array_index (partitions, Partition, i);
      g_assert_cmpuint (partition->number, >, last);
      g_assert_cmpuint (partition->size_bytes, >, 0);
      g_assert_cmpuint (partition->offset_bytes, <, size);
      g_assert_cmpuint (partition->size_bytes, <=, size - partition->offset_bytes);
      last = partition->number;
    }
  return TRUE;
}
