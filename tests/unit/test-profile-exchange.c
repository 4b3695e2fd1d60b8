// SPDX-License-Identifier: GPL-2.0-or-later
// Boot profiles between hosts, and the chunks that they have fetched: in the profile's order, once,
// those alone that are missing.

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "network/profile-exchange.h"
#include "network/profile-fetch.h"
#include "qcow-backing/boot-profile-file.h"
#include "qcow-backing/chunk-staging.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/record-file.h"

#define IMAGE    "a/b"
#define N_CHUNKS 20u

/* A site with a/b@7, of N_CHUNKS: each tenth is zero, 11 is the same as 1; of the others the store
   has the even ones.  */
typedef struct
{
  char *directory;
  Config *config;
  ImageLibrary *library;
  ChunkId ids[N_CHUNKS];
} Fixture;

static void
make_directory (Fixture *f, const char *name)
{
  g_autofree char *path = config_state_path (f->config, name, NULL);

  g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
}

static void
fill_chunk (guint8 bytes[CHUNK_SIZE], guint i)
{
  memset (bytes, 0, CHUNK_SIZE);
  if (i % 10 != 0)
    bytes[0] = (guint8)(i == 11 ? 1 : i);
}

static void
add_chunks (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  ChunkStaging *staging = chunk_staging_new (image_library_store (f->library), &error);

  g_assert_no_error (error);
  for (guint i = 0; i < N_CHUNKS; i++)
    {
      guint8 bytes[CHUNK_SIZE];
      fill_chunk (bytes, i);
      f->ids[i] = chunk_id_of (bytes, CHUNK_SIZE);
      if (i % 2 == 0 && i % 10 != 0)
        g_assert_true (chunk_staging_add (staging, &f->ids[i], bytes, CHUNK_SIZE, NULL));
    }
  g_assert_true (chunk_staging_commit (staging, NULL));
  chunk_staging_free (staging);
}

static void
add_version (Fixture *f, const SigningKey *key)
{
  g_autoptr (VersionRecord) record = version_record_new ();
  g_autofree char *path = image_library_version_path (f->library, IMAGE, 7, ".json");
  g_autofree char *index_path = image_library_version_path (f->library, IMAGE, 7, ".caibx");
  g_autoptr (GBytes) index = index_build (N_CHUNKS * CHUNK_SIZE, f->ids);
  gsize size;
  const guint8 *data = g_bytes_get_data (index, &size);

  record->image = g_strdup (IMAGE);
  record->version = 7;
  record->virtual_size = N_CHUNKS * CHUNK_SIZE;
  record->index_size = size;
  record->index_sha256 = chunk_id_of (data, size);
  g_array_append_val (record->index_chunks, record->index_sha256);
  record->created = g_strdup ("");
  record->note = g_strdup ("");
  g_autofree char *text = version_record_to_json (record);
  g_assert_true (file_write_durably (index_path, data, size, 0600, NULL));
  g_assert_true (record_file_write (path, text, key, NULL));
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;

  f->directory = g_dir_make_tmp ("gild-profile-XXXXXX", NULL);
  g_key_file_set_string (file, "paths", "state", f->directory);
  f->config = config_from_key_file (file, "x", &error);
  g_assert_no_error (error);
  make_directory (f, "store.castr");
  make_directory (f, "images/" IMAGE);
  make_directory (f, "site");
  g_autofree char *secret = config_state_path (f->config, "site", "site.sec", NULL);
  g_autofree char *public = config_state_path (f->config, "site", "site.pub", NULL);
  signing_key_generate (secret, public, &error);
  g_assert_no_error (error);
  g_autoptr (SigningKey) key = signing_key_load (secret, &error);
  g_assert_no_error (error);
  f->library = image_library_open (f->config, &error);
  g_assert_no_error (error);
  add_chunks (f);
  add_version (f, key);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  const char *argv[] = { "rm", "-r", f->directory, NULL };

  image_library_free (f->library);
  config_free (f->config);
  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, NULL, NULL));
  g_free (f->directory);
}

#define PROFILE(version, boots, positions)                                                         \
  "{\"format\":\"gild-profile-1\",\"image\":\"a/b\",\"version\":" version ",\"boots\":" boots      \
  ",\"positions\":[" positions "]}"

static void
take (Fixture *f, const char *text, guint version, int code)
{
  g_autoptr (JsonNode) body = text ? json_from_string (text, NULL) : NULL;
  g_autoptr (GError) error = NULL;
  gboolean taken = profile_exchange_take (f->config, "pc1", IMAGE, version,
                                          body ? json_node_get_object (body) : NULL, &error);

  g_assert_cmpint (taken, ==, code < 0);
  if (code >= 0)
    g_assert_error (error, G_IO_ERROR, code);
}

static void
assert_boots (Fixture *f, guint boots, guint n_positions)
{
  g_autoptr (BootProfile) profile = boot_profile_load (f->library, IMAGE, 7);

  g_assert_cmpuint (profile ? profile->boots : 0, ==, boots);
  g_assert_cmpuint (profile ? profile->positions->len : 0, ==, n_positions);
}

static void
test_take (Fixture *f, gconstpointer data)
{
  take (f, NULL, 7, G_IO_ERROR_INVALID_ARGUMENT);
  take (f, "{}", 7, G_IO_ERROR_INVALID_ARGUMENT);
  take (f, PROFILE ("8", "1", "1"), 7, G_IO_ERROR_INVALID_ARGUMENT);
  take (f, PROFILE ("8", "1", "1"), 8, G_IO_ERROR_NOT_FOUND);
  take (f, PROFILE ("7", "1", "20"), 7, G_IO_ERROR_INVALID_ARGUMENT);
  take (f, PROFILE ("7", "3", "1"), 7, G_IO_ERROR_INVALID_ARGUMENT);
  assert_boots (f, 0, 0);
  take (f, PROFILE ("7", "1", "19,3"), 7, -1);
  take (f, PROFILE ("7", "1", "3,4"), 7, -1);
  assert_boots (f, 2, 3);
}

static void
test_receive (Fixture *f, gconstpointer data)
{
  static const char *const BAD[] = { "", "{}", PROFILE ("8", "3", "1"), PROFILE ("7", "3", "20") };
  static const char GOOD[] = PROFILE ("7", "2", "1,2");

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    g_assert_false (profile_exchange_receive (f->config, IMAGE, 7, BAD[i], strlen (BAD[i]), NULL));
  assert_boots (f, 0, 0);
  g_assert_true (profile_exchange_receive (f->config, IMAGE, 7, GOOD, strlen (GOOD), NULL));
  assert_boots (f, 2, 2);
}

/* What SEND is told, and says: CODES are of each call's error, -1 none; ends with 0.  */
typedef struct
{
  const int *codes;
  GString *paths;
} Sent;

static gboolean
send_boot (const char *path, const char *body, gpointer data, GError **error)
{
  Sent *sent = data;
  g_autoptr (BootProfile) boot = boot_profile_from_json (body, strlen (body), error);

  g_assert_no_error (*error);
  g_assert_cmpuint (boot->boots, ==, 1);
  g_string_append_printf (sent->paths, "%s ", path);
  g_assert_cmpint (*sent->codes, !=, 0);
  int code = *sent->codes++;
  return code < 0 || fail_code (error, (GIOErrorEnum)code, "no");
}

static void
add_boot (ProfileOutbox *outbox, guint version)
{
  BootProfile *boot = boot_profile_new (IMAGE, version);
  guint32 position = version;

  boot->boots = 1;
  g_array_append_val (boot->positions, position);
  profile_outbox_add (outbox, boot);
}

static void
flush (ProfileOutbox *outbox, const int *codes, const char *paths)
{
  g_autoptr (GString) sent_paths = g_string_new (NULL);
  Sent sent = { codes, sent_paths };

  profile_outbox_flush (outbox, send_boot, &sent);
  g_assert_cmpstr (sent_paths->str, ==, paths);
  g_assert_cmpint (*sent.codes, ==, 0);
}

static void
test_outbox (void)
{
  static const int UNREACHABLE[] = { -1, G_IO_ERROR_HOST_UNREACHABLE, 0 };
  static const int REFUSED[] = { G_IO_ERROR_PERMISSION_DENIED, G_IO_ERROR_NOT_FOUND, -1, 0 };
  static const int NONE[] = { 0 };
  g_autoptr (ProfileOutbox) outbox = profile_outbox_new ();

  flush (outbox, NONE, "");
  for (guint version = 1; version <= 4; version++)
    add_boot (outbox, version);
  flush (outbox, UNREACHABLE, "/images/a/b/1.profile /images/a/b/2.profile ");
  flush (outbox, REFUSED, "/images/a/b/2.profile /images/a/b/3.profile /images/a/b/4.profile ");
  flush (outbox, NONE, "");
}

static void
test_outbox_is_bounded (void)
{
  static const int TIMED_OUT[] = { G_IO_ERROR_TIMED_OUT, 0 };
  g_autoptr (ProfileOutbox) outbox = profile_outbox_new ();

  for (guint version = 1; version <= 100; version++)
    add_boot (outbox, version);
  flush (outbox, TIMED_OUT, "/images/a/b/85.profile ");
}

static void
assert_missing (Fixture *f, const char *positions)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) missing = profile_fetch_missing (f->config, IMAGE, 7, &error);
  g_autoptr (GString) text = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < missing->len; i++)
    for (guint j = 0; j < N_CHUNKS; j++)
      if (chunk_id_equal (&g_array_index (missing, ChunkId, i), &f->ids[j]))
        {
          g_string_append_printf (text, "%u ", j);
          break;
        }
  g_assert_cmpstr (text->str, ==, positions);
}

static void
test_missing (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (profile_fetch_missing (f->config, IMAGE, 8, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  assert_missing (f, "");
  take (f, PROFILE ("7", "1", "19,2,11,10,3,1,0,5"), 7, -1);
  assert_missing (f, "19 1 3 5 ");
}

typedef struct
{
  GMutex lock;
  GCond cond;
  GString *ids;
  guint count;
} Wanted;

static void
want (const ChunkId *id, gpointer data)
{
  Wanted *wanted = data;
  char hex[CHUNK_HEX_SIZE];
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&wanted->lock);

  chunk_id_to_hex (id, hex);
  g_string_append (wanted->ids, hex);
  wanted->count++;
  g_cond_signal (&wanted->cond);
}

static void
test_fetch (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) ids = g_string_new (NULL);
  Wanted wanted = { .ids = ids };
  char hex[CHUNK_HEX_SIZE];

  take (f, PROFILE ("7", "1", "19,2,3"), 7, -1);
  g_autoptr (ProfileFetch) fetch = profile_fetch_new (f->config, want, &wanted);
  profile_fetch_add (fetch, "a/nothing", 7);
  profile_fetch_add (fetch, IMAGE, 7);
  g_mutex_lock (&wanted.lock);
  while (wanted.count < 2)
    g_cond_wait (&wanted.cond, &wanted.lock);
  g_mutex_unlock (&wanted.lock);
  g_clear_pointer (&fetch, profile_fetch_free);
  chunk_id_to_hex (&f->ids[19], hex);
  g_assert_true (g_str_has_prefix (ids->str, hex));
  chunk_id_to_hex (&f->ids[3], hex);
  g_assert_true (g_str_has_suffix (ids->str, hex));
  g_assert_cmpuint (wanted.count, ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/profile-exchange/outbox", test_outbox);
  g_test_add_func ("/profile-exchange/outbox-is-bounded", test_outbox_is_bounded);
  g_test_add ("/profile-exchange/take", Fixture, NULL, set_up, test_take, tear_down);
  g_test_add ("/profile-exchange/receive", Fixture, NULL, set_up, test_receive, tear_down);
  g_test_add ("/profile-fetch/missing", Fixture, NULL, set_up, test_missing, tear_down);
  g_test_add ("/profile-fetch/fetch", Fixture, NULL, set_up, test_fetch, tear_down);
  return g_test_run ();
}
