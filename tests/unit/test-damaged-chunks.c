// SPDX-License-Identifier: GPL-2.0-or-later
// Damaged chunks: what can be mended is, the rest is set aside, and a good one is never touched.
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/damage-check.h"
#include "qcow-backing/damaged-chunks.h"
#include "tests/unit/remove-tree.h"

typedef struct
{
  char *path;
  ChunkStore *store;
  guint8 data[CHUNK_SIZE];
  ChunkId id;
  char *file, *aside, *frame;
  gsize frame_size;
} Fixture;

static void
store_chunk (ChunkStore *store, const ChunkId *id, const guint8 *data)
{
  g_autoptr (ChunkStaging) staging = chunk_staging_new (store, NULL);

  g_assert_true (chunk_staging_add (staging, id, data, CHUNK_SIZE, NULL));
  g_assert_true (chunk_staging_commit (staging, NULL));
}

static void
set_up (Fixture *f, gconstpointer data)
{
  char file[CHUNK_FILE_SIZE];

  f->path = g_dir_make_tmp ("gild-damaged-XXXXXX", NULL);
  f->store = chunk_store_open (f->path, NULL);
  g_assert_nonnull (f->store);
  for (gsize i = 0; i < CHUNK_SIZE; i++)
    f->data[i] = (guint8)(i * i / 7 + i);
  f->id = chunk_id_of (f->data, CHUNK_SIZE);
  store_chunk (f->store, &f->id, f->data);
  chunk_store_file (&f->id, file);
  f->file = g_build_filename (f->path, file, NULL);
  f->aside = g_build_filename (f->path, DAMAGED_DIRECTORY, strchr (file, '/') + 1, NULL);
  g_assert_true (g_file_get_contents (f->file, &f->frame, &f->frame_size, NULL));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  chunk_store_free (f->store);
  remove_tree (f->path);
  g_free (f->path);
  g_free (f->file);
  g_free (f->aside);
  g_free (f->frame);
}

/* Mend the chunk and commit.  */
static ChunkFate
mend (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  ChunkStaging *staging = NULL;
  ChunkFate fate;

  g_assert_true (damaged_chunk_mend (f->store, &f->id, 0, FALSE, &staging, &fate, &error));
  g_assert_no_error (error);
  if (staging)
    g_assert_true (chunk_staging_commit (staging, NULL));
  chunk_staging_free (staging);
  return fate;
}

static void
damage (Fixture *f, const char *frame, gsize size)
{
  g_unlink (f->aside); // of the damage before it
  g_assert_true (g_file_set_contents (f->file, frame, (gssize)size, NULL));
}

static guint
count (Fixture *f)
{
  guint n;

  g_assert_true (damaged_chunks_count (f->store, &n, NULL));
  return n;
}

static void
test_whole (Fixture *f, gconstpointer data)
{
  struct stat before, after;

  g_assert_cmpint (g_stat (f->file, &before), ==, 0);
  g_assert_cmpint (mend (f), ==, CHUNK_IS_WHOLE);
  g_assert_cmpint (g_stat (f->file, &after), ==, 0);
  g_assert_cmpuint (before.st_ino, ==, after.st_ino);
  g_assert_cmpuint (count (f), ==, 0);
}

/* Each byte of the frame, flipped: after mending it is good or gone, and never there and bad.  */
static void
test_every_flip (Fixture *f, gconstpointer data)
{
  guint n_rebuilt = 0, n_set_aside = 0;

  for (gsize i = 0; i < f->frame_size; i++)
    {
      f->frame[i] ^= 0x40;
      damage (f, f->frame, f->frame_size);
      f->frame[i] ^= 0x40;
      ChunkFate fate = mend (f);
      gboolean is_there = chunk_store_check (f->store, &f->id, NULL);
      g_assert_cmpint (is_there, ==, fate == CHUNK_IS_WHOLE || fate == CHUNK_IS_REBUILT);
      g_assert_cmpint (chunk_store_has (f->store, &f->id), ==, is_there);
      g_assert_cmpuint (count (f), ==, fate == CHUNK_IS_SET_ASIDE);
      n_rebuilt += fate == CHUNK_IS_REBUILT;
      n_set_aside += fate == CHUNK_IS_SET_ASIDE;
    }
  g_assert_cmpuint (n_rebuilt, >=, 4); // the checksum
  g_assert_cmpuint (n_set_aside, >, 0);
}

static void
test_every_length (Fixture *f, gconstpointer data)
{
  g_autofree char *longer = g_malloc0 (4 * CHUNK_SIZE);

  for (gsize size = 0; size < f->frame_size; size++)
    {
      damage (f, f->frame, size);
      g_assert_cmpint (mend (f), ==,
                       size + 4 < f->frame_size ? CHUNK_IS_SET_ASIDE : CHUNK_IS_REBUILT);
    }
  memcpy (longer, f->frame, f->frame_size);
  damage (f, longer, f->frame_size + 1);
  g_assert_cmpint (mend (f), ==, CHUNK_IS_REBUILT);
  damage (f, longer, 4 * CHUNK_SIZE);
  g_assert_cmpint (mend (f), ==, CHUNK_IS_REBUILT);
  g_assert_true (chunk_store_check (f->store, &f->id, NULL));
}

static void
test_missing (Fixture *f, gconstpointer data)
{
  g_assert_cmpint (g_unlink (f->file), ==, 0);
  g_assert_cmpint (mend (f), ==, CHUNK_IS_MISSING);
  g_assert_cmpuint (count (f), ==, 0);
}

/* What was set aside comes back when it can be read again.  */
static void
test_comes_back (Fixture *f, gconstpointer data)
{
  damage (f, "nonsense", 8);
  g_assert_cmpint (mend (f), ==, CHUNK_IS_SET_ASIDE);
  g_assert_cmpint (mend (f), ==, CHUNK_IS_MISSING);
  g_assert_cmpuint (count (f), ==, 1);
  g_assert_true (g_file_set_contents (f->aside, f->frame, (gssize)f->frame_size, NULL));
  g_assert_cmpint (mend (f), ==, CHUNK_IS_REBUILT);
  g_assert_true (chunk_store_check (f->store, &f->id, NULL));
  g_assert_cmpuint (count (f), ==, 0);

  // It is not written over by a worse one either.
  g_assert_true (g_file_set_contents (f->file, "nonsense", 8, NULL));
  g_assert_cmpint (mend (f), ==, CHUNK_IS_REBUILT);
  g_assert_true (damaged_chunk_forget (f->store, &f->id, NULL));
  g_assert_true (damaged_chunk_forget (f->store, &f->id, NULL));
  g_autofree char *directory = g_path_get_dirname (f->aside);
  g_assert_false (g_file_test (directory, G_FILE_TEST_EXISTS));
}

static void
test_zeros (Fixture *f, gconstpointer data)
{
  static const guint8 ZEROS[CHUNK_SIZE];
  guint8 buffer[CHUNK_SIZE];

  for (gsize size = 1; size <= CHUNK_SIZE; size = size * 3 + 1)
    {
      ChunkId id = chunk_id_of (ZEROS, size);
      gsize found = size;
      memset (buffer, 1, sizeof buffer);
      g_assert_true (damaged_chunk_salvage (f->store, &id, buffer, &found));
      g_assert_cmpmem (buffer, found, ZEROS, size);
    }
}

/* A directory cannot be replaced by a file; an empty one just goes.  */
static void
test_directory (Fixture *f, gconstpointer data)
{
  g_autofree char *inside = g_build_filename (f->file, "inside", NULL);
  g_autofree char *kept = g_build_filename (f->aside, "inside", NULL);

  g_assert_cmpint (g_unlink (f->file), ==, 0);
  g_assert_cmpint (g_mkdir (f->file, 0755), ==, 0);
  g_assert_cmpint (mend (f), ==, CHUNK_IS_SET_ASIDE);
  g_assert_false (g_file_test (f->aside, G_FILE_TEST_EXISTS));
  g_assert_cmpint (g_mkdir (f->file, 0755), ==, 0);
  g_assert_true (g_file_set_contents (inside, "x", 1, NULL));
  g_assert_cmpint (mend (f), ==, CHUNK_IS_SET_ASIDE);
  g_assert_true (g_file_test (kept, G_FILE_TEST_EXISTS));
  store_chunk (f->store, &f->id, f->data);
  g_assert_true (chunk_store_check (f->store, &f->id, NULL));
}

/* What is said of a chunk that cannot be looked at is not believed.  */
static void
test_unwritable (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = g_build_filename (f->path, DAMAGED_DIRECTORY, NULL);
  ChunkStaging *staging = NULL;
  ChunkFate fate;

  damage (f, "nonsense", 8);
  g_assert_true (g_file_set_contents (directory, "no directory", -1, NULL));
  g_assert_false (damaged_chunk_mend (f->store, &f->id, 0, FALSE, &staging, &fate, &error));
  g_assert_nonnull (strstr (error->message, DAMAGED_DIRECTORY));
  g_assert_true (chunk_store_has (f->store, &f->id));
}

static const struct
{
  const char *name, *body;
} BAD_REPORTS[] = {
  { "", NULL },
  { "x", NULL },
  { "../../../../etc/passwd", NULL },
  { "DCA99F3C00000000000000000000000000000000000000000000000000000000", NULL },
  { "dca99f3c0000000000000000000000000000000000000000000000000000000", NULL },
  { "dca99f3c000000000000000000000000000000000000000000000000000000000", NULL },
  { "dca99f3c0000000000000000000000000000000000000000000000000000000g", NULL },
  { "dca99f3c00000000000000000000000000000000000000000000000000000000.cacnk", NULL },
  { "dca99f3c00000000000000000000000000000000000000000000000000000000", "{\"path\":\"/\"}" },
};

static void
test_reports (void)
{
  static const char NAME[] = "dca99f3c00000000000000000000000000000000000000000000000000000000";
  ChunkId id;

  for (gsize i = 0; i < G_N_ELEMENTS (BAD_REPORTS); i++)
    {
      g_autoptr (JsonNode) body =
          BAD_REPORTS[i].body ? json_from_string (BAD_REPORTS[i].body, NULL) : NULL;
      g_autoptr (GError) error = NULL;
      g_assert_false (damage_check_parse (BAD_REPORTS[i].name,
                                          body ? json_node_get_object (body) : NULL, &id, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    }
  g_autoptr (JsonNode) empty = json_from_string ("{}", NULL);
  g_assert_true (damage_check_parse (NAME, NULL, &id, NULL));
  g_assert_true (damage_check_parse (NAME, json_node_get_object (empty), &id, NULL));
  g_assert_cmpuint (id.bytes[0], ==, 0xdc);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/damaged-chunks/whole", Fixture, NULL, set_up, test_whole, tear_down);
  g_test_add ("/damaged-chunks/every-flip", Fixture, NULL, set_up, test_every_flip, tear_down);
  g_test_add ("/damaged-chunks/every-length", Fixture, NULL, set_up, test_every_length, tear_down);
  g_test_add ("/damaged-chunks/missing", Fixture, NULL, set_up, test_missing, tear_down);
  g_test_add ("/damaged-chunks/comes-back", Fixture, NULL, set_up, test_comes_back, tear_down);
  g_test_add ("/damaged-chunks/zeros", Fixture, NULL, set_up, test_zeros, tear_down);
  g_test_add ("/damaged-chunks/directory", Fixture, NULL, set_up, test_directory, tear_down);
  g_test_add ("/damaged-chunks/unwritable", Fixture, NULL, set_up, test_unwritable, tear_down);
  g_test_add_func ("/damaged-chunks/reports", test_reports);
  return g_test_run ();
}
