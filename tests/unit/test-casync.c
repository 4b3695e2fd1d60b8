// SPDX-License-Identifier: GPL-2.0-or-later
// An index and a store that casync has made are read as what they are.
#include <glib/gstdio.h>
#include <string.h>

#include "qcow-backing/chunk-store.h"
#include "qcow-backing/index.h"
#include "tests/unit/remove-tree.h"

#define DISK_SIZE (20 * CHUNK_SIZE + 4096)

/* A disk with data, zeros and an end that is no whole chunk.  */
static guint8 *
make_disk (void)
{
  guint8 *disk = g_malloc0 (DISK_SIZE);
  for (gsize i = 0; i < DISK_SIZE; i++)
    if (i / CHUNK_SIZE % 3 != 1)
      disk[i] = (guint8)(i * 7 + i / 251 + i / CHUNK_SIZE);
  return disk;
}

static void
run_casync_make (const char *directory)
{
  const char *argv[] = { "casync",
                         "make",
                         "--chunk-size=65536:65536:65536",
                         "--digest=sha256",
                         "--store=store.castr",
                         "disk.caibx",
                         "disk.raw",
                         NULL };
  g_autoptr (GError) error = NULL;
  int status;
  g_spawn_sync (directory, (char **)argv, NULL,
                G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                NULL, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_spawn_check_wait_status (status, &error);
  g_assert_no_error (error);
}

static void
compare (const char *directory, const guint8 *disk)
{
  g_autofree char *index_path = g_build_filename (directory, "disk.caibx", NULL);
  g_autofree char *store_path = g_build_filename (directory, "store.castr", NULL);
  g_autofree guint8 *buffer = g_malloc (CHUNK_SIZE);
  g_autoptr (GError) error = NULL;

  g_autoptr (Index) index = index_open (index_path, &error);
  g_assert_no_error (error);
  g_autoptr (ChunkStore) store = chunk_store_open (store_path, &error);
  g_assert_no_error (error);

  g_assert_cmpuint (index_virtual_size (index), ==, DISK_SIZE);
  g_assert_cmpuint (index_n_chunks (index), ==, 21);
  for (gsize i = 0; i < index_n_chunks (index); i++)
    {
      gsize size = index_chunk_size (index, i);
      g_assert_cmpuint (size, ==, MIN (CHUNK_SIZE, DISK_SIZE - i * CHUNK_SIZE));
      g_assert_cmpint (index_chunk_is_zero (index, i), ==, i % 3 == 1);
      g_assert_true (chunk_store_read (store, index_chunk_id (index, i), CHUNK_READ_HASH, buffer,
                                       size, &error));
      g_assert_no_error (error);
      g_assert_cmpmem (buffer, size, disk + i * CHUNK_SIZE, size);
    }
}

static void
test_reads_casync (void)
{
  g_autofree char *casync = g_find_program_in_path ("casync");
  g_autofree guint8 *disk = make_disk ();
  g_autoptr (GError) error = NULL;

  if (!casync)
    {
      if (g_strcmp0 (g_getenv ("TESTS_MUST_RUN"), "1") == 0)
        g_test_fail_printf ("casync is not installed");
      else
        g_test_skip ("casync is not installed");
      return;
    }
  g_autofree char *directory = g_dir_make_tmp ("gild-casync-XXXXXX", &error);
  g_assert_no_error (error);
  g_autofree char *disk_path = g_build_filename (directory, "disk.raw", NULL);
  g_file_set_contents (disk_path, (const char *)disk, DISK_SIZE, &error);
  g_assert_no_error (error);

  run_casync_make (directory);
  compare (directory, disk);

  remove_tree (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/casync/reads-casync", test_reads_casync);
  return g_test_run ();
}
