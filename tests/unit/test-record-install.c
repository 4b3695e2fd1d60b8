// SPDX-License-Identifier: GPL-2.0-or-later
// Records from other hosts: what is forged, of another image or older is refused, and changes
// nothing.
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "library-fixture.h"
#include "qcow-backing/chunk-staging.h"
#include "qcow-backing/record-install.h"

#define IMAGE "demo/desktop"
#define SIZE  (3 * CHUNK_SIZE + 5)

typedef struct
{
  LibraryFixture site;
  ImageLibrary *library; // the site's
  SigningKey *key;
  VersionRecord *record; // of IMAGE@7, whose index is DATA
  GBytes *data;
} Fixture;

static VersionRecord *
make_record (GBytes *index)
{
  VersionRecord *record = version_record_new ();
  gsize size;
  const guint8 *data = g_bytes_get_data (index, &size);
  ChunkId id = chunk_id_of (data, size);

  record->image = g_strdup (IMAGE);
  record->version = 7;
  record->virtual_size = SIZE;
  record->index_size = size;
  record->index_sha256 = id;
  g_array_append_val (record->index_chunks, id); // it is smaller than a chunk
  record->created = g_strdup ("2026-11-20T02:00:00Z");
  record->note = g_strdup ("");
  return record;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  ChunkId ids[4] = { { { 1 } }, { { 2 } }, { { 3 } }, { { 4 } } };

  library_fixture_set_up (&f->site);
  f->library = f->site.library;
  f->key = f->site.key;
  f->data = index_build (SIZE, ids);
  f->record = make_record (f->data);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  library_fixture_tear_down (&f->site);
  version_record_free (f->record);
  g_bytes_unref (f->data);
}

static GBytes *
sign_version (const Fixture *f)
{
  g_autofree char *text = version_record_to_json (f->record);

  return signature_sign (f->key, text, strlen (text), NULL);
}

static void
store_index (const Fixture *f)
{
  g_autoptr (ChunkStaging) staging = chunk_staging_new (image_library_store (f->library), NULL);
  gsize size;
  const guint8 *data = g_bytes_get_data (f->data, &size);

  g_assert_true (chunk_staging_add (staging, &g_array_index (f->record->index_chunks, ChunkId, 0),
                                    data, size, NULL));
  g_assert_true (chunk_staging_commit (staging, NULL));
}

/* Lock, install what SIGNED_TEXT is, unlock.  */
static gboolean
install_version (const Fixture *f, GBytes *signed_text, GError **error)
{
  int lock = image_library_lock (f->library, IMAGE, FALSE, error);
  gboolean ok = record_install_version (f->library, f->record, signed_text, error);

  g_close (lock, NULL);
  return ok;
}

static void
assert_no_version (const Fixture *f)
{
  g_autoptr (GArray) versions = image_library_versions (f->library, IMAGE, NULL);

  g_assert_cmpuint (versions->len, ==, 0);
  g_assert_false (record_install_has_version (f->library, IMAGE, 7));
}

static void
test_version (Fixture *f, gconstpointer data)
{
  g_autoptr (GBytes) signed_text = sign_version (f);
  g_autoptr (GError) error = NULL;
  int lock;

  g_assert_false (install_version (f, signed_text, &error));
  g_assert_error (error, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_MISSING);
  assert_no_version (f);
  store_index (f);
  lock = image_library_lock (f->library, IMAGE, FALSE, NULL);
  g_clear_error (&error);
  g_assert_cmpint (image_library_lock (f->library, IMAGE, FALSE, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_close (lock, NULL);
  g_clear_error (&error);
  g_assert_true (install_version (f, signed_text, &error));
  g_assert_true (record_install_has_version (f->library, IMAGE, 7));
  g_autoptr (ImageVersion) loaded = image_library_load (f->library, IMAGE, 7, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (index_n_chunks (loaded->index), ==, 4);
}

/* A record that is signed, and whose chunks are there, and whose index it is not.  */
static void
test_another_index (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  store_index (f);
  f->record->virtual_size--;
  g_autoptr (GBytes) signed_text = sign_version (f);
  g_assert_false (install_version (f, signed_text, &error));
  g_assert_nonnull (strstr (error->message, "do not make the index"));
  assert_no_version (f);
}

static void
test_bad_records (Fixture *f, gconstpointer data)
{
  g_autoptr (GBytes) signed_text = sign_version (f);
  gsize size;
  const char *text = g_bytes_get_data (signed_text, &size);
  g_autofree char *changed = g_memdup2 (text, size);
  g_autoptr (VersionRecord) good =
      record_install_read_version (f->library, IMAGE, 7, signed_text, NULL);

  g_assert_nonnull (good);
  g_assert_null (record_install_read_version (f->library, IMAGE, 8, signed_text, NULL));
  g_assert_null (record_install_read_version (f->library, "demo/erp", 7, signed_text, NULL));
  g_assert_null (record_install_read_channels (f->library, IMAGE, signed_text, NULL));
  *strstr (changed, "\"version\" : 7") = ' ';
  g_autoptr (GBytes) forged = g_bytes_new (changed, size);
  g_assert_null (record_install_read_version (f->library, IMAGE, 7, forged, NULL));
  g_autoptr (GBytes) cut = g_bytes_new (text, size - 1);
  g_assert_null (record_install_read_version (f->library, IMAGE, 7, cut, NULL));
  g_autoptr (GBytes) empty = g_bytes_new ("", 0);
  g_assert_null (record_install_read_version (f->library, IMAGE, 7, empty, NULL));
}

static GBytes *
sign_channels (const Fixture *f, guint64 serial, guint version)
{
  g_autoptr (ChannelRecord) record = channel_record_new (IMAGE);

  record->serial = serial;
  record->expires = g_strdup ("2027-11-20T02:00:00Z");
  g_hash_table_insert (record->channels, g_strdup ("production"), GUINT_TO_POINTER (version));
  g_autofree char *text = channel_record_to_json (record);
  return signature_sign (f->key, text, strlen (text), NULL);
}

static gboolean
install_channels (const Fixture *f, guint64 serial, guint version, GError **error)
{
  g_autoptr (GBytes) signed_text = sign_channels (f, serial, version);
  g_autoptr (ChannelRecord) record =
      record_install_read_channels (f->library, IMAGE, signed_text, NULL);
  int lock = image_library_lock (f->library, IMAGE, FALSE, NULL);

  g_assert_nonnull (record);
  gboolean ok = record_install_channels (f->library, record, signed_text, error);
  g_close (lock, NULL);
  return ok;
}

static void
assert_channel (const Fixture *f, guint expected)
{
  guint version = 0;

  g_assert_true (image_library_resolve (f->library, IMAGE, "production", &version, NULL));
  g_assert_cmpuint (version, ==, expected);
}

static void
test_channels_go_forward (Fixture *f, gconstpointer data)
{
  g_autofree char *path = image_library_path (f->library, IMAGE, "channels.json.sig");
  g_autoptr (GError) error = NULL;

  g_assert_true (install_channels (f, 5, 7, NULL));
  g_assert_true (install_channels (f, 6, 4, NULL)); // back to an older version is forward
  assert_channel (f, 4);
  g_assert_false (install_channels (f, 6, 8, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_false (install_channels (f, 5, 7, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  assert_channel (f, 4);

  g_assert_true (g_file_set_contents (path, "x", 1, NULL));
  g_test_expect_message ("gild", G_LOG_LEVEL_MESSAGE, "*is replaced");
  g_assert_true (install_channels (f, 7, 9, NULL));
  g_test_assert_expected_messages ();
  assert_channel (f, 9);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(NAME, FUNC) g_test_add ("/record-install/" NAME, Fixture, NULL, set_up, FUNC, tear_down)
  ADD ("bad", test_bad_records);
  ADD ("another-index", test_another_index);
  ADD ("version", test_version);
  ADD ("channels", test_channels_go_forward);
  return g_test_run ();
}
