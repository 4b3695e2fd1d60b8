// SPDX-License-Identifier: GPL-2.0-or-later
// A site of a test's own, in a temporary directory, whose versions and chunks are made by hand.
#include "library-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#include "qcow-backing/chunk-staging.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/record-file.h"
#include "tests/unit/remove-tree.h"

static void
make_directory (const LibraryFixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->directory, name, NULL);

  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
}

static void
make_keys (LibraryFixture *f)
{
  g_autofree char *secret_path = g_build_filename (f->directory, "site", "site.sec", NULL);
  g_autofree char *public_path = g_build_filename (f->directory, "site", "site.pub", NULL);

  g_assert_true (signing_key_generate (secret_path, public_path, NULL));
  f->key = signing_key_load (secret_path, NULL);
}

void
library_fixture_set_up (LibraryFixture *f)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  f->directory = g_dir_make_tmp ("gild-library-XXXXXX", NULL);
  make_directory (f, "site");
  make_directory (f, "store.castr");
  make_directory (f, "images");
  make_directory (f, "run");
  make_keys (f);
  g_autofree char *run = g_build_filename (f->directory, "run", NULL);
  g_key_file_set_value (file, "paths", "state", f->directory);
  g_key_file_set_value (file, "paths", "run", run);
  f->config = config_from_key_file (file, "test", NULL);
  f->library = image_library_open (f->config, NULL);
  g_assert_nonnull (f->library);
}

void
library_fixture_tear_down (LibraryFixture *f)
{
  remove_tree (f->directory);
  image_library_free (f->library);
  signing_key_free (f->key);
  config_free (f->config);
  g_free (f->directory);
}

ChunkId
library_fixture_chunk_id (guint8 byte)
{
  guint8 data[CHUNK_SIZE];

  memset (data, byte, sizeof data);
  return chunk_id_of (data, sizeof data);
}

void
library_fixture_add_chunk (const LibraryFixture *f, guint8 byte)
{
  g_autoptr (ChunkStaging) staging = chunk_staging_new (image_library_store (f->library), NULL);
  ChunkId id = library_fixture_chunk_id (byte);
  guint8 data[CHUNK_SIZE];

  memset (data, byte, sizeof data);
  g_assert_true (chunk_staging_add (staging, &id, data, sizeof data, NULL));
  g_assert_true (chunk_staging_commit (staging, NULL));
}

void
library_fixture_remove_chunk (const LibraryFixture *f, guint8 byte)
{
  ChunkId id = library_fixture_chunk_id (byte);
  guint64 freed;

  g_assert_true (chunk_store_remove (image_library_store (f->library), &id, &freed, NULL));
}

/* The record of IMAGE@VERSION, whose index is INDEX.  */
static void
write_record (const LibraryFixture *f, const char *image, guint version, GBytes *index, gsize n)
{
  g_autofree char *path = image_library_version_path (f->library, image, version, ".json");
  g_autoptr (VersionRecord) record = version_record_new ();
  gsize size;
  const guint8 *data = g_bytes_get_data (index, &size);

  record->image = g_strdup (image);
  record->version = version;
  record->virtual_size = n * CHUNK_SIZE;
  record->index_size = size;
  record->index_sha256 = chunk_id_of (data, size);
  for (gsize start = 0; start < size; start += CHUNK_SIZE)
    {
      ChunkId id = chunk_id_of (data + start, MIN (CHUNK_SIZE, size - start));
      g_array_append_val (record->index_chunks, id);
    }
  record->created = g_strdup_printf ("2026-11-20T02:%02u:00Z", version % 60);
  record->note = g_strdup ("");
  g_autofree char *text = version_record_to_json (record);
  g_assert_true (record_file_write (path, text, f->key, NULL));
}

void
library_fixture_add_version (const LibraryFixture *f, const char *image, guint version,
                             const guint8 *bytes, gsize n)
{
  g_autofree char *directory = image_library_path (f->library, image, NULL);
  g_autofree char *path = image_library_version_path (f->library, image, version, ".caibx");
  g_autofree ChunkId *ids = g_new (ChunkId, n);

  for (gsize i = 0; i < n; i++)
    ids[i] = library_fixture_chunk_id (bytes[i]);
  g_autoptr (GBytes) index = index_build (n * CHUNK_SIZE, ids);
  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  g_assert_true (file_write_durably (path, g_bytes_get_data (index, NULL), g_bytes_get_size (index),
                                     0644, NULL));
  write_record (f, image, version, index, n);
}

void
library_fixture_set_channel (const LibraryFixture *f, const char *image, guint64 serial,
                             guint version)
{
  g_autofree char *path = image_library_path (f->library, image, "channels.json");
  g_autoptr (ChannelRecord) record = channel_record_new (image);

  record->serial = serial;
  record->expires = g_strdup ("2027-11-20T02:00:00Z");
  g_hash_table_insert (record->channels, g_strdup ("production"), GUINT_TO_POINTER (version));
  g_autofree char *text = channel_record_to_json (record);
  g_assert_true (record_file_write (path, text, f->key, NULL));
}
