// SPDX-License-Identifier: GPL-2.0-or-later
// Partition tables: MBR, logical partitions, GPT; what is no table, and what makes no sense.
#include <gio/gio.h>
#include <string.h>

#include "qcow-backing/partition-table.h"

#define SECTOR    512u
#define N_SECTORS 64u

typedef struct
{
  guint8 bytes[N_SECTORS * SECTOR];
  gboolean broken; // it cannot be read
} Disk;

static gboolean
read_disk (gpointer data, guint64 offset, void *buffer, gsize size, GError **error)
{
  const Disk *disk = data;

  if (disk->broken)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "broken");
      return FALSE;
    }
  memcpy (buffer, disk->bytes + offset, size);
  return TRUE;
}

static void
put (Disk *disk, gsize offset, guint64 value, gsize size)
{
  for (gsize i = 0; i < size; i++)
    disk->bytes[offset + i] = (guint8)(value >> 8 * i);
}

/* An MBR's entry I in SECTOR.  */
static void
put_entry (Disk *disk, guint sector, guint i, guint8 type, guint32 start, guint32 count)
{
  gsize at = sector * SECTOR + 446 + 16 * i;

  put (disk, sector * SECTOR + 510, 0xaa55, 2);
  put (disk, at + 4, type, 1);
  put (disk, at + 8, start, 4);
  put (disk, at + 12, count, 4);
}

/* A GPT with N entries of SIZE bytes at SECTOR.  */
static void
put_gpt (Disk *disk, guint64 sector, guint32 n, guint32 size)
{
  put_entry (disk, 0, 0, 0xee, 1, N_SECTORS - 1);
  memcpy (disk->bytes + SECTOR, "EFI PART", 8);
  put (disk, SECTOR + 72, sector, 8);
  put (disk, SECTOR + 80, n, 4);
  put (disk, SECTOR + 84, size, 4);
}

static void
put_gpt_entry (Disk *disk, gsize at, guint64 first, guint64 last)
{
  put (disk, at, 1, 1); // the type
  put (disk, at + 32, first, 8);
  put (disk, at + 40, last, 8);
}

/* The table as "1:10+5 5:20+1", in sectors, or "" for none, or NULL with an error.  */
static char *
describe (Disk *disk)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) partitions =
      partition_table_read (read_disk, disk, sizeof disk->bytes, &error);
  GString *text = g_string_new (NULL);

  g_assert_true ((partitions == NULL) == (error != NULL));
  for (guint i = 0; partitions && i < partitions->len; i++)
    {
      const Partition *partition = &g_array_index (partitions, Partition, i);
      g_string_append_printf (text, "%s%u:%u+%u", i > 0 ? " " : "", partition->number,
                              (guint)(partition->offset_bytes / SECTOR),
                              (guint)(partition->size_bytes / SECTOR));
    }
  return g_string_free (text, partitions == NULL);
}

static void
make_behind_end (Disk *disk)
{
  put_entry (disk, 0, 0, 0x83, 10, N_SECTORS - 9);
}

static void
make_empty (Disk *disk)
{
  put_entry (disk, 0, 0, 0x83, 10, 0);
}

static void
make_at_table (Disk *disk)
{
  put_entry (disk, 0, 0, 0x83, 0, 10);
}

static void
make_ring (Disk *disk)
{
  put_entry (disk, 0, 0, 0x05, 10, 20);
  put_entry (disk, 10, 0, 0x83, 1, 1);
  put_entry (disk, 10, 1, 0x05, 5, 1);
  put_entry (disk, 15, 0, 0x83, 1, 1);
  put_entry (disk, 15, 1, 0x05, 5, 1); // itself
}

static void
make_chain_outside (Disk *disk)
{
  put_entry (disk, 0, 0, 0x0f, N_SECTORS, 20);
}

static void
make_no_gpt (Disk *disk)
{
  put_entry (disk, 0, 0, 0xee, 1, N_SECTORS - 1);
}

static void
make_many_entries (Disk *disk)
{
  put_gpt (disk, 2, 0xffffffff, 128);
}

static void
make_small_entries (Disk *disk)
{
  put_gpt (disk, 2, 4, 8);
}

static void
make_entries_outside (Disk *disk)
{
  put_gpt (disk, G_MAXUINT64, 4, 128);
}

static void
make_backwards (Disk *disk)
{
  put_gpt (disk, 2, 4, 128);
  put_gpt_entry (disk, 2 * SECTOR, 20, 10);
}

static void
make_endless (Disk *disk)
{
  put_gpt (disk, 2, 4, 128);
  put_gpt_entry (disk, 2 * SECTOR, 0, G_MAXUINT64);
}

static void
make_unreadable (Disk *disk)
{
  disk->broken = TRUE;
}

static void
make_none (Disk *disk)
{
}

static void
make_ntfs (Disk *disk)
{
  put_entry (disk, 0, 0, 0x83, 10, 5);
  memcpy (disk->bytes + 3, "NTFS    ", 8);
}

static void
make_boot_sector (Disk *disk)
{
  put_entry (disk, 0, 0, 0x83, 10, 5);
  put (disk, 446, 0x31, 1);
}

static void
make_mbr (Disk *disk)
{
  put_entry (disk, 0, 0, 0x83, 10, 5);
  put_entry (disk, 0, 2, 0x07, 20, N_SECTORS - 20);
  put (disk, 446, 0x80, 1);
}

static void
make_logical (Disk *disk)
{
  put_entry (disk, 0, 0, 0x05, 10, 50);
  put_entry (disk, 0, 1, 0x83, 1, 2);
  put_entry (disk, 10, 0, 0x83, 1, 4);
  put_entry (disk, 10, 1, 0x05, 20, 10);
  put_entry (disk, 30, 0, 0x82, 2, 3);
}

static void
make_gpt (Disk *disk)
{
  put_gpt (disk, 3, 4, 256);
  put_gpt_entry (disk, 3 * SECTOR + 256, 20, 20);
  put_gpt_entry (disk, 3 * SECTOR + 3 * 256, 30, N_SECTORS - 1);
}

static void
test_tables (void)
{
  static const struct
  {
    void (*make) (Disk *disk);
    const char *wanted;
  } CASES[] = {
    { make_behind_end, NULL },
    { make_empty, NULL },
    { make_at_table, NULL },
    { make_ring, NULL },
    { make_chain_outside, NULL },
    { make_no_gpt, NULL },
    { make_many_entries, NULL },
    { make_small_entries, NULL },
    { make_entries_outside, NULL },
    { make_backwards, NULL },
    { make_endless, NULL },
    { make_unreadable, NULL },
    { make_none, "" },
    { make_ntfs, "" },
    { make_boot_sector, "" },
    { make_mbr, "1:10+5 3:20+44" },
    { make_logical, "2:1+2 5:11+4 6:32+3" },
    { make_gpt, "2:20+1 4:30+34" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_autofree Disk *disk = g_new0 (Disk, 1);
      CASES[i].make (disk);
      g_autofree char *text = describe (disk);
      g_assert_cmpstr (text, ==, CASES[i].wanted);
    }
}

/* A disk that is smaller than a sector has no table.  */
static void
test_tiny (void)
{
  g_autofree Disk *disk = g_new0 (Disk, 1);

  make_mbr (disk);
  g_autoptr (GArray) partitions = partition_table_read (read_disk, disk, SECTOR - 1, NULL);
  g_assert_nonnull (partitions);
  g_assert_cmpuint (partitions->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/partition-table/tables", test_tables);
  g_test_add_func ("/partition-table/tiny", test_tiny);
  return g_test_run ();
}
