// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks from other hosts: readable at once, in the store soon, and nothing but whole ones.
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "qcow-backing/chunk-frame.h"
#include "qcow-backing/chunk-staging.h"
#include "qcow-backing/incoming-chunks.h"
#include "tests/unit/remove-tree.h"

typedef struct
{
  char *path;
  ChunkStore *store;
} Fixture;

typedef struct
{
  guint8 data[CHUNK_SIZE], frame[CHUNK_FRAME_SIZE_MAX];
  gsize frame_size;
  ChunkId id;
} Chunk;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->path = g_dir_make_tmp ("gild-incoming-XXXXXX", NULL);
  f->store = chunk_store_open (f->path, NULL);
  g_assert_nonnull (f->store);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  chunk_store_free (f->store);
  remove_tree (f->path);
  g_free (f->path);
}

static Chunk *
make_chunk (guint number)
{
  Chunk *chunk = g_new (Chunk, 1);

  for (gsize i = 0; i < CHUNK_SIZE; i++)
    chunk->data[i] = (guint8)(i * i / 7 + number * (i >> 8));
  chunk->id = chunk_id_of (chunk->data, CHUNK_SIZE);
  g_assert_true (
      chunk_frame_encode (chunk->data, CHUNK_SIZE, chunk->frame, &chunk->frame_size, NULL));
  return chunk;
}

static IncomingChunks *
start (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  IncomingChunks *incoming = incoming_chunks_new (f->store, &error);

  g_assert_no_error (error);
  return incoming;
}

static void
add (IncomingChunks *incoming, const Chunk *chunk)
{
  g_autoptr (GError) error = NULL;

  incoming_chunks_add (incoming, &chunk->id, chunk->frame, chunk->frame_size, &error);
  g_assert_no_error (error);
}

static void
assert_reads (Fixture *f, const Chunk *chunk)
{
  guint8 buffer[CHUNK_SIZE], frame[CHUNK_FRAME_SIZE_MAX];
  g_autoptr (GError) error = NULL;

  chunk_store_read (f->store, &chunk->id, CHUNK_READ_HASH, buffer, CHUNK_SIZE, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (buffer, CHUNK_SIZE, chunk->data, CHUNK_SIZE);
  gssize size = chunk_store_read_frame (f->store, &chunk->id, frame, sizeof frame);
  g_assert_cmpmem (frame, size, chunk->frame, chunk->frame_size);
  g_assert_true (chunk_store_has (f->store, &chunk->id));
}

static guint
count_incoming (Fixture *f)
{
  g_autofree char *path = g_build_filename (f->path, INCOMING_DIRECTORY, NULL);
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  guint count = 0;

  while (g_dir_read_name (directory))
    count++;
  return count;
}

static void
test_no_directory (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->path, INCOMING_DIRECTORY, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_null (incoming_chunks_new (f->store, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY);
}

/* What a power cut may have torn goes at the start, what a writer left half written as well.  */
static void
test_starts_empty (Fixture *f, gconstpointer data)
{
  static const char *const LEFT[] = {
    "new-0", "new-7", "0000000000000000000000000000000000000000000000000000000000000000"
  };

  incoming_chunks_free (start (f));
  for (gsize i = 0; i < G_N_ELEMENTS (LEFT); i++)
    {
      g_autofree char *path = g_build_filename (f->path, INCOMING_DIRECTORY, LEFT[i], NULL);
      g_assert_true (g_file_set_contents (path, "torn", 4, NULL));
    }
  incoming_chunks_free (start (f));
  g_assert_cmpuint (count_incoming (f), ==, 0);
}

/* A chunk that cannot get its name stays, and gets it when it can.  */
static void
test_cannot_be_named (Fixture *f, gconstpointer data)
{
  g_autoptr (IncomingChunks) incoming = start (f);
  g_autofree Chunk *a = make_chunk (1), *b = make_chunk (2);
  g_autoptr (GError) error = NULL;
  char file[CHUNK_FILE_SIZE];

  chunk_store_file (&b->id, file);
  *strchr (file, '/') = '\0';
  g_autofree char *obstacle = g_build_filename (f->path, file, NULL);
  g_assert_true (g_file_set_contents (obstacle, "", 0, NULL));
  add (incoming, a);
  add (incoming, b);
  g_assert_false (incoming_chunks_flush (incoming, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY);
  g_assert_true (chunk_store_keeps (f->store, &a->id));
  g_assert_false (chunk_store_keeps (f->store, &b->id));
  g_assert_cmpuint (count_incoming (f), ==, 1);
  g_assert_cmpint (g_unlink (obstacle), ==, 0);
  g_assert_true (incoming_chunks_flush (incoming, NULL));
  g_assert_true (chunk_store_keeps (f->store, &b->id));
  assert_reads (f, b);
}

/* The directory is gone, as it is when somebody cleans too well.  */
static void
test_cannot_be_written (Fixture *f, gconstpointer data)
{
  g_autoptr (IncomingChunks) incoming = start (f);
  g_autofree char *path = g_build_filename (f->path, INCOMING_DIRECTORY, NULL);
  g_autofree Chunk *chunk = make_chunk (1);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_rmdir (path), ==, 0);
  g_assert_false (
      incoming_chunks_add (incoming, &chunk->id, chunk->frame, chunk->frame_size, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_false (chunk_store_has (f->store, &chunk->id));
}

static void
test_flush (Fixture *f, gconstpointer data)
{
  g_autoptr (IncomingChunks) incoming = start (f);
  g_autofree Chunk *chunk = make_chunk (3);

  g_assert_true (incoming_chunks_flush (incoming, NULL)); // nothing is no trouble
  g_assert_false (incoming_chunks_has (incoming, &chunk->id));
  add (incoming, chunk);
  add (incoming, chunk);
  assert_reads (f, chunk);
  g_assert_true (incoming_chunks_has (incoming, &chunk->id));
  g_assert_false (chunk_store_keeps (f->store, &chunk->id)); // not before it is durable
  g_assert_true (incoming_chunks_flush (incoming, NULL));
  g_assert_true (incoming_chunks_has (incoming, &chunk->id));
  g_assert_true (chunk_store_keeps (f->store, &chunk->id));
  assert_reads (f, chunk);
  g_assert_cmpuint (count_incoming (f), ==, 0);
}

/* Publishing counts on names in the store alone.  */
static void
test_staging (Fixture *f, gconstpointer data)
{
  g_autoptr (IncomingChunks) incoming = start (f);
  g_autofree Chunk *chunk = make_chunk (4);
  g_autoptr (ChunkStaging) staging = chunk_staging_new (f->store, NULL);

  add (incoming, chunk);
  g_assert_true (chunk_staging_add (staging, &chunk->id, chunk->data, CHUNK_SIZE, NULL));
  g_assert_cmpuint (chunk_staging_stats (staging).new_chunks, ==, 1);
  g_assert_true (chunk_staging_commit (staging, NULL));
  g_assert_true (chunk_store_keeps (f->store, &chunk->id));
}

/* Without being told, and whoever reads meanwhile always finds it.  */
static void
test_by_itself (Fixture *f, gconstpointer data)
{
  g_autoptr (IncomingChunks) incoming = start (f);
  g_autofree Chunk *chunk = make_chunk (5);
  gint64 end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  add (incoming, chunk);
  while (!chunk_store_keeps (f->store, &chunk->id))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      assert_reads (f, chunk);
    }
  assert_reads (f, chunk);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*test) (Fixture *f, gconstpointer data);
  } TESTS[] = {
    { "no-directory", test_no_directory },
    { "starts-empty", test_starts_empty },
    { "cannot-be-named", test_cannot_be_named },
    { "cannot-be-written", test_cannot_be_written },
    { "flush", test_flush },
    { "staging", test_staging },
    { "by-itself", test_by_itself },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (TESTS); i++)
    {
      g_autofree char *path = g_strdup_printf ("/incoming-chunks/%s", TESTS[i].name);
      g_test_add (path, Fixture, NULL, set_up, TESTS[i].test, tear_down);
    }
  return g_test_run ();
}
