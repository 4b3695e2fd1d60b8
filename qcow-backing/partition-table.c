// SPDX-License-Identifier: GPL-2.0-or-later
// The partitions of a disk: GPT, or the MBR with its logical partitions.
//
// The checksums of GPT are not looked at: they tell which copy is good after a crash, and the bytes
// of a version are hashed and signed.

#include "partition-table.h"

#include <string.h>

#include "fail.h"

#define SECTOR_SIZE     512u
#define MBR_ENTRIES     446u
#define MBR_ENTRY_SIZE  16u
#define MBR_PROTECTIVE  0xee
#define LOGICAL_FIRST   5u
#define GPT_SIGNATURE   "EFI PART"
#define GPT_ENTRY_MIN   128u
#define GPT_ENTRY_MAX   4096u
#define GPT_ENTRIES_MAX 1024u

typedef struct
{
  PartitionReadFunc read;
  gpointer data;
  guint64 disk_size;
  GArray *partitions;
} TableReader;

/* An entry of an MBR, in sectors.  */
typedef struct
{
  guint8 type;
  guint64 start, count;
} MbrEntry;

static guint64
get_le (const guint8 *bytes, gsize size)
{
  guint64 value = 0;

  for (gsize i = size; i > 0; i--)
    value = value << 8 | bytes[i - 1];
  return value;
}

static gboolean
read_sectors (const TableReader *reader, guint64 sector, void *buffer, gsize size, GError **error)
{
  guint64 n_sectors = reader->disk_size / SECTOR_SIZE;

  if (sector >= n_sectors || size > (n_sectors - sector) * SECTOR_SIZE)
    return fail (error, "the partition table points behind the end of the disk");
  return reader->read (reader->data, sector * SECTOR_SIZE, buffer, size, error);
}

/* Add partition NUMBER, of COUNT sectors from START.  */
static gboolean
add (TableReader *reader, guint number, guint64 start, guint64 count, GError **error)
{
  guint64 n_sectors = reader->disk_size / SECTOR_SIZE;

  if (start == 0 || count == 0 || start >= n_sectors || count > n_sectors - start)
    return fail (error, "partition %u does not lie within the disk", number);
  if (reader->partitions->len >= PARTITIONS_MAX)
    return fail (error, "there are more than %u partitions", PARTITIONS_MAX);
  const Partition partition = { number, start * SECTOR_SIZE, count * SECTOR_SIZE };
  g_array_append_val (reader->partitions, partition);
  return TRUE;
}

/* Whether SECTOR is an MBR, and no file system's boot sector, which may look like it.  */
static gboolean
is_mbr (const guint8 *sector)
{
  if (sector[510] != 0x55 || sector[511] != 0xaa || memcmp (sector + 3, "NTFS    ", 8) == 0
      || memcmp (sector + 3, "EXFAT   ", 8) == 0 || memcmp (sector + 54, "FAT", 3) == 0
      || memcmp (sector + 82, "FAT32", 5) == 0)
    return FALSE;
  for (guint i = 0; i < 4; i++)
    if ((sector[MBR_ENTRIES + i * MBR_ENTRY_SIZE] & 0x7f) != 0) // the boot flag
      return FALSE;
  return TRUE;
}

static MbrEntry
get_entry (const guint8 *sector, guint i)
{
  const guint8 *entry = sector + MBR_ENTRIES + i * MBR_ENTRY_SIZE;

  return (MbrEntry){ entry[4], get_le (entry + 8, 4), get_le (entry + 12, 4) };
}

static gboolean
is_extended (const MbrEntry *entry)
{
  return entry->type == 0x05 || entry->type == 0x0f || entry->type == 0x85;
}

/* The logical partitions of the EXTENDED one: a chain of sectors like the MBR, each with a
   partition, which lies relative to it, and the next sector, relative to EXTENDED.  */
static gboolean
read_logical (TableReader *reader, const MbrEntry *extended, GError **error)
{
  guint8 sector[SECTOR_SIZE];
  guint64 at = extended->start;

  // Each link adds a partition, of which there are few, so that a ring of links comes to an end.
  for (guint number = LOGICAL_FIRST;; number++)
    {
      if (!read_sectors (reader, at, sector, sizeof sector, error))
        return FALSE;
      const MbrEntry here = get_entry (sector, 0), next = get_entry (sector, 1);
      if (!is_mbr (sector) || here.type == 0)
        return TRUE; // it is empty
      if (!add (reader, number, at + here.start, here.count, error))
        return FALSE;
      if (!is_extended (&next) || next.start == 0)
        return TRUE;
      at = extended->start + next.start;
    }
}

static gboolean
read_mbr (TableReader *reader, const guint8 *sector, GError **error)
{
  for (guint i = 0; i < 4; i++)
    {
      const MbrEntry entry = get_entry (sector, i);
      if (entry.type != 0 && !is_extended (&entry)
          && !add (reader, i + 1, entry.start, entry.count, error))
        return FALSE;
    }
  for (guint i = 0; i < 4; i++)
    {
      const MbrEntry entry = get_entry (sector, i);
      if (is_extended (&entry))
        return read_logical (reader, &entry, error);
    }
  return TRUE;
}

/* GPT's entries, of which there are N of SIZE bytes from SECTOR on.  */
static gboolean
read_entries (TableReader *reader, guint64 sector, guint n, gsize size, GError **error)
{
  gsize bytes = (n * size + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
  g_autofree guint8 *entries = g_malloc (bytes);
  static const guint8 UNUSED[16];

  if (!read_sectors (reader, sector, entries, bytes, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    {
      const guint8 *entry = entries + i * size;
      guint64 first = get_le (entry + 32, 8), last = get_le (entry + 40, 8);
      if (memcmp (entry, UNUSED, sizeof UNUSED) == 0)
        continue;
      if (last < first || last == G_MAXUINT64)
        return fail (error, "partition %u ends before it begins", i + 1);
      if (!add (reader, i + 1, first, last - first + 1, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_gpt (TableReader *reader, GError **error)
{
  guint8 header[SECTOR_SIZE];

  if (!read_sectors (reader, 1, header, sizeof header, error))
    return FALSE;
  if (memcmp (header, GPT_SIGNATURE, strlen (GPT_SIGNATURE)) != 0)
    return fail (error, "the disk says that it has a GPT, and has none");
  guint64 n = get_le (header + 80, 4), size = get_le (header + 84, 4);
  if (n > GPT_ENTRIES_MAX || size < GPT_ENTRY_MIN || size > GPT_ENTRY_MAX)
    return fail (error, "the GPT cannot be read: %u entries of %u bytes", (guint)n, (guint)size);
  return n == 0 || read_entries (reader, get_le (header + 72, 8), (guint)n, size, error);
}

GArray *
partition_table_read (PartitionReadFunc read, gpointer data, guint64 disk_size, GError **error)
{
  g_autoptr (GArray) partitions = g_array_new (FALSE, FALSE, sizeof (Partition));
  TableReader reader = { read, data, disk_size, partitions };
  guint8 sector[SECTOR_SIZE];
  gboolean is_gpt = FALSE;

  if (disk_size < SECTOR_SIZE)
    return g_steal_pointer (&partitions);
  if (!read_sectors (&reader, 0, sector, sizeof sector, error))
    return NULL;
  if (!is_mbr (sector))
    return g_steal_pointer (&partitions);
  for (guint i = 0; i < 4; i++)
    is_gpt = is_gpt || get_entry (sector, i).type == MBR_PROTECTIVE;
  if (!(is_gpt ? read_gpt (&reader, error) : read_mbr (&reader, sector, error)))
    return NULL;
  return g_steal_pointer (&partitions);
}
