// SPDX-License-Identifier: GPL-2.0-or-later
// The chunk store: bytes that are not the chunk's never come out as such, and litter goes.
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "qcow-backing/chunk-frame.h"
#include "qcow-backing/chunk-staging.h"
#include "tests/unit/remove-tree.h"

typedef struct
{
  char *path;
  ChunkStore *store;
  guint8 data[CHUNK_SIZE];
  ChunkId id;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->path = g_dir_make_tmp ("gild-store-XXXXXX", NULL);
  f->store = chunk_store_open (f->path, NULL);
  g_assert_nonnull (f->store);
  for (gsize i = 0; i < CHUNK_SIZE; i++)
    f->data[i] = (guint8)(i * i / 7 + i);
  f->id = chunk_id_of (f->data, CHUNK_SIZE);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  chunk_store_free (f->store);
  remove_tree (f->path);
  g_free (f->path);
}

static void
store_chunk (Fixture *f)
{
  g_autoptr (ChunkStaging) staging = chunk_staging_new (f->store, NULL);

  g_assert_true (chunk_staging_add (staging, &f->id, f->data, CHUNK_SIZE, NULL));
  g_assert_true (chunk_staging_add (staging, &f->id, f->data, CHUNK_SIZE, NULL));
  g_assert_false (chunk_store_has (f->store, &f->id)); // not before it is durable
  g_assert_true (chunk_staging_commit (staging, NULL));
  g_assert_cmpuint (chunk_staging_stats (staging).new_chunks, ==, 1);
}

static char *
chunk_path (Fixture *f)
{
  char file[CHUNK_FILE_SIZE];

  chunk_store_file (&f->id, file);
  return g_build_filename (f->path, file, NULL);
}

static void
assert_error (Fixture *f, ChunkReadCheck check, gsize size, ChunkStoreError code)
{
  guint8 buffer[CHUNK_SIZE];
  g_autoptr (GError) error = NULL;

  g_assert_false (chunk_store_read (f->store, &f->id, check, buffer, size, &error));
  g_assert_error (error, CHUNK_STORE_ERROR, (gint)code);
}

static void
test_missing (Fixture *f, gconstpointer data)
{
  assert_error (f, CHUNK_READ_HASH, CHUNK_SIZE, CHUNK_STORE_ERROR_MISSING);
}

static void
test_every_damage (Fixture *f, gconstpointer data)
{
  g_autofree char *path = NULL, *frame = NULL;
  gsize size;

  store_chunk (f);
  path = chunk_path (f);
  g_assert_true (g_file_get_contents (path, &frame, &size, NULL));
  for (gsize i = 0; i < size; i++)
    {
      guint8 buffer[CHUNK_SIZE];
      frame[i] ^= 0x40;
      g_assert_true (g_file_set_contents (path, frame, (gssize)size, NULL));
      frame[i] ^= 0x40;
      // Bits that zstd does not look at may flip; what comes out must be right all the same.
      if (chunk_store_read (f->store, &f->id, CHUNK_READ_TRUST_CHECKSUM, buffer, CHUNK_SIZE, NULL))
        g_assert_cmpmem (buffer, CHUNK_SIZE, f->data, CHUNK_SIZE);
    }
  for (gsize cut = 0; cut < size; cut += 7)
    {
      g_assert_true (g_file_set_contents (path, frame, (gssize)cut, NULL));
      assert_error (f, CHUNK_READ_TRUST_CHECKSUM, CHUNK_SIZE, CHUNK_STORE_ERROR_DAMAGED);
    }
}

/* Another chunk's file, whole and with a good checksum, below this chunk's name.  */
static void
test_another_chunk (Fixture *f, gconstpointer data)
{
  Fixture other = *f;
  g_autofree char *path = NULL, *other_path = NULL, *frame = NULL;
  gsize size;

  store_chunk (f);
  other.data[0] ^= 1;
  other.id = chunk_id_of (other.data, CHUNK_SIZE);
  store_chunk (&other);
  path = chunk_path (f);
  other_path = chunk_path (&other);
  g_assert_true (g_file_get_contents (other_path, &frame, &size, NULL));
  g_assert_true (g_file_set_contents (path, frame, (gssize)size, NULL));
  assert_error (f, CHUNK_READ_HASH, CHUNK_SIZE, CHUNK_STORE_ERROR_DAMAGED);
}

static void
test_wrong_size (Fixture *f, gconstpointer data)
{
  store_chunk (f);
  assert_error (f, CHUNK_READ_HASH, CHUNK_SIZE - 1, CHUNK_STORE_ERROR_DAMAGED);
}

static void
test_bomb (Fixture *f, gconstpointer data)
{
  g_autofree char *path = NULL, *directory = NULL;
  g_autofree char *zeros = g_malloc0 (1 << 20);

  store_chunk (f);
  path = chunk_path (f);
  g_assert_true (g_file_set_contents (path, zeros, 1 << 20, NULL));
  assert_error (f, CHUNK_READ_HASH, CHUNK_SIZE, CHUNK_STORE_ERROR_DAMAGED);
}

/* What the library reads, and what is no frame of the format that says where the checksum is.  */
static void
test_other_frames (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *bytes;
    gsize size;
  } FRAMES[] = {
    { "\x50\x2a\x4d\x18\4\0\0\0gild", 12 },                         // skippable
    { "\x50\x2a\x4d\x18\0\0\0\0\x28\xb5\x2f\xfd\x20\0\1\0\0", 17 }, // and another behind it
    { "\x25\xb5\x2f\xfd\0\0\0\0\0\0\xc0\0\0", 13 },                 // of zstd 0.5
  };
  guint8 buffer[CHUNK_SIZE];

  for (gsize i = 0; i < G_N_ELEMENTS (FRAMES); i++)
    {
      g_autoptr (GError) error = NULL;
      gsize size = sizeof buffer;
      g_assert_false (chunk_frame_decode ((const guint8 *)FRAMES[i].bytes, FRAMES[i].size, buffer,
                                          &size, &error));
      g_assert_cmpstr (error->message, ==, "it is not one zstd frame");
    }
}

static gboolean
count (const ChunkId *id, gpointer data, GError **error)
{
  ++*(guint *)data;
  return TRUE;
}

static void
test_litter (Fixture *f, gconstpointer data)
{
  guint removed, found = 0;
  ChunkStaging *crashed =
      chunk_staging_new (f->store, NULL); // as a publish that was killed leaves it

  g_assert_true (chunk_staging_add (crashed, &f->id, f->data, CHUNK_SIZE, NULL));
  g_assert_true (chunk_staging_sweep (f->store, &removed, NULL));
  g_assert_cmpuint (removed, ==, 1);
  g_assert_true (chunk_store_foreach (f->store, count, &found, NULL));
  g_assert_cmpuint (found, ==, 0);
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "*.staging-*");
  chunk_staging_free (crashed);
  g_test_assert_expected_messages ();

  store_chunk (f);
  g_assert_true (chunk_store_foreach (f->store, count, &found, NULL));
  g_assert_cmpuint (found, ==, 1);
  guint64 freed;
  g_assert_true (chunk_store_remove (f->store, &f->id, &freed, NULL));
  g_assert_false (chunk_store_has (f->store, &f->id));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/chunk-store/missing", Fixture, NULL, set_up, test_missing, tear_down);
  g_test_add ("/chunk-store/every-damage", Fixture, NULL, set_up, test_every_damage, tear_down);
  g_test_add ("/chunk-store/another-chunk", Fixture, NULL, set_up, test_another_chunk, tear_down);
  g_test_add ("/chunk-store/wrong-size", Fixture, NULL, set_up, test_wrong_size, tear_down);
  g_test_add ("/chunk-store/other-frames", Fixture, NULL, set_up, test_other_frames, tear_down);
  g_test_add ("/chunk-store/too-long", Fixture, NULL, set_up, test_bomb, tear_down);
  g_test_add ("/chunk-store/litter", Fixture, NULL, set_up, test_litter, tear_down);
  return g_test_run ();
}
