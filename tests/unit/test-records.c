// SPDX-License-Identifier: GPL-2.0-or-later
// Records and signatures: what is forged, damaged or senseless is refused; what was written reads
// back.
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "qcow-backing/channel-record.h"
#include "qcow-backing/record-file.h"
#include "qcow-backing/rollout-bucket.h"
#include "qcow-backing/version-record.h"

typedef struct
{
  char *directory, *secret_path, *public_path, *record_path;
  SigningKey *secret;
  PublicKey *public;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("gild-records-XXXXXX", NULL);
  f->secret_path = g_build_filename (f->directory, "site.sec", NULL);
  f->public_path = g_build_filename (f->directory, "site.pub", NULL);
  f->record_path = g_build_filename (f->directory, "7.json", NULL);
  g_assert_true (signing_key_generate (f->secret_path, f->public_path, NULL));
  f->secret = signing_key_load (f->secret_path, NULL);
  f->public = public_key_load (f->public_path, NULL);
  g_assert_nonnull (f->secret);
  g_assert_nonnull (f->public);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) directory = g_dir_open (f->directory, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (directory)))
    {
      g_autofree char *path = g_build_filename (f->directory, name, NULL);
      g_unlink (path);
    }
  g_rmdir (f->directory);
  signing_key_free (f->secret);
  public_key_free (f->public);
  g_free (f->directory);
  g_free (f->secret_path);
  g_free (f->public_path);
  g_free (f->record_path);
}

static void
test_signature_is_checked (Fixture *f, gconstpointer data)
{
  static const char TEXT[] = "{ \"version\": 7 }\n";
  g_autoptr (GBytes) bytes = signature_sign (f->secret, TEXT, strlen (TEXT), NULL);
  gsize size, text_size;
  const char *signed_text = g_bytes_get_data (bytes, &size);
  g_autofree char *text = signature_verify (f->public, signed_text, size, &text_size, NULL);

  g_assert_cmpmem (text, text_size, TEXT, strlen (TEXT));
  // The comment is outside the signature; from the key number on nothing may change.
  gsize first = (gsize)(strchr (signed_text, '\n') - signed_text) + 1;
  for (gsize i = first; i < size; i++)
    {
      g_autofree char *copy = g_memdup2 (signed_text, size);
      gsize ignored;
      copy[i] = copy[i] == 'B' ? 'C' : 'B';
      g_autofree char *forged = signature_verify (f->public, copy, size, &ignored, NULL);
      g_assert_null (forged);
    }
  for (gsize i = 0; i < size; i++)
    {
      gsize ignored;
      g_autofree char *cut = signature_verify (f->public, signed_text, i, &ignored, NULL);
      g_assert_null (cut);
    }
}

/* The line of base64 has one spelling.  */
static void
test_signature_line (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *bytes;
    gsize size;
  } BEHIND[] = { { " ", 1 }, { "\r", 1 }, { "=", 1 }, { "\0", 1 }, { "\0garbage", 8 } };
  g_autoptr (GBytes) bytes = signature_sign (f->secret, "text", 4, NULL);
  gsize size;
  const char *signed_text = g_bytes_get_data (bytes, &size);
  gsize line_end = size - strlen ("\ntext");

  for (gsize i = 0; i < G_N_ELEMENTS (BEHIND); i++)
    {
      g_autoptr (GByteArray) spoiled = g_byte_array_new ();
      gsize ignored;
      g_byte_array_append (spoiled, (const guint8 *)signed_text, (guint)line_end);
      g_byte_array_append (spoiled, (const guint8 *)BEHIND[i].bytes, (guint)BEHIND[i].size);
      g_byte_array_append (spoiled, (const guint8 *)"\ntext", 5);
      g_autofree char *text =
          signature_verify (f->public, (const char *)spoiled->data, spoiled->len, &ignored, NULL);
      g_assert_null (text);
    }
}

static void
test_another_key (Fixture *f, gconstpointer data)
{
  Fixture other;
  gsize size;
  g_autoptr (GError) error = NULL;

  set_up (&other, NULL);
  g_autoptr (GBytes) bytes = signature_sign (other.secret, "x", 1, NULL);
  g_assert_null (signature_verify (f->public, g_bytes_get_data (bytes, NULL),
                                   g_bytes_get_size (bytes), &size, &error));
  g_assert_nonnull (strstr (error->message, "another site's key"));
  tear_down (&other, NULL);
}

static void
test_secret_key (Fixture *f, gconstpointer data)
{
  g_autofree char *text = NULL;
  gsize size;
  GStatBuf status;

  g_assert_cmpint (g_stat (f->secret_path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);
  g_assert_true (g_file_get_contents (f->secret_path, &text, &size, NULL));
  char *key = strchr (text, '\n') + 1;
  key[100] = key[100] == 'A' ? 'B' : 'A'; // in the seed, which the checksum guards
  g_assert_true (g_file_set_contents (f->secret_path, text, (gssize)size, NULL));
  g_autoptr (GError) error = NULL;
  g_assert_null (signing_key_load (f->secret_path, &error));
  g_assert_nonnull (strstr (error->message, "damaged"));
}

static void
test_record_file (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  gsize size;

  g_assert_null (record_file_read (f->record_path, f->public, &size, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);

  g_assert_true (record_file_write (f->record_path, "one\n", f->secret, NULL));
  g_assert_true (record_file_write (f->record_path, "two\n", f->secret, NULL));
  g_autofree char *text = record_file_read (f->record_path, f->public, &size, NULL);
  g_assert_cmpstr (text, ==, "two\n");
  g_assert_true (record_file_is_consistent (f->record_path, f->public, NULL));

  // A crash between the two renames: the signed text counts.
  g_assert_true (g_file_set_contents (f->record_path, "one\n", -1, NULL));
  g_autofree char *counts = record_file_read (f->record_path, f->public, &size, NULL);
  g_assert_cmpstr (counts, ==, "two\n");
  g_assert_false (record_file_is_consistent (f->record_path, f->public, &error));
  g_assert_nonnull (strstr (error->message, "7.json"));
}

#define INDEX                                                                                      \
  "\"index\":{\"size\":70000,\"sha256\":\"" HEX "\",\"chunks\":[\"" HEX "\",\"" HEX "\"]}"
#define HEX   "aa00000000000000000000000000000000000000000000000000000000000000"
#define REST  "\"data_size\":5,\"new_size\":0,\"created\":\"2026-01-01T00:00:00Z\",\"note\":\"\"}"
#define START "{\"format\":\"gild-version-1\",\"image\":\"a/b\",\"version\":7,\"parent\":6,"
#define SIZES "\"virtual_size\":1000,\"chunk_size\":65536,"

static void
test_bad_version_records (void)
{
  static const char *const BAD[] = {
    "",
    "[]",
    "null",
    "{}",
    "{\"format\":7}",
    "\xff",
    "{\"format\":\"gild-version-2\",\"image\":\"a/b\",\"version\":7," SIZES INDEX "," REST,
    "{\"format\":\"gild-version-1\",\"image\":\"../b\",\"version\":7," SIZES INDEX "," REST,
    "{\"format\":\"gild-version-1\",\"image\":\"a/b\",\"version\":0," SIZES INDEX "," REST,
    "{\"format\":\"gild-version-1\",\"image\":\"a/b\",\"version\":7.5," SIZES INDEX "," REST,
    "{\"format\":\"gild-version-1\",\"image\":\"a/b\",\"version\":\"7\"," SIZES INDEX "," REST,
    "{\"format\":\"gild-version-1\",\"image\":\"a/b\",\"version\":7,\"parent\":7," SIZES INDEX
    "," REST,
    START "\"virtual_size\":0,\"chunk_size\":65536," INDEX "," REST,
    START "\"virtual_size\":-1,\"chunk_size\":65536," INDEX "," REST,
    START "\"virtual_size\":9223372036854775807,\"chunk_size\":65536," INDEX "," REST,
    START "\"virtual_size\":1000,\"chunk_size\":4096," INDEX "," REST,
    START SIZES "\"index\":{\"size\":70000,\"sha256\":\"" HEX "\",\"chunks\":[\"" HEX "\"]}," REST,
    START SIZES "\"index\":{\"size\":70000,\"sha256\":\"x\",\"chunks\":[\"" HEX "\",\"" HEX
                "\"]}," REST,
    START SIZES "\"index\":{\"size\":70000,\"sha256\":\"" HEX "\",\"chunks\":[1,2]}," REST,
    START SIZES "\"index\":7," REST,
    START SIZES INDEX ",\"data_size\":1001,\"new_size\":0,\"created\":\"\",\"note\":\"\"}",
    "{\"a\":[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]}",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (version_record_from_json (BAD[i], strlen (BAD[i]), &error));
      g_assert_nonnull (error);
    }
}

static void
test_version_record (void)
{
  static const char TEXT[] = START SIZES INDEX "," REST;
  g_autoptr (GError) error = NULL;
  g_autoptr (VersionRecord) record = version_record_from_json (TEXT, strlen (TEXT), &error);

  g_assert_no_error (error);
  g_autofree char *json = version_record_to_json (record);
  g_autoptr (VersionRecord) again = version_record_from_json (json, strlen (json), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again->image, ==, "a/b");
  g_assert_cmpuint (again->version, ==, 7);
  g_assert_cmpuint (again->parent, ==, 6);
  g_assert_cmpuint (again->virtual_size, ==, 1000);
  g_assert_cmpuint (again->index_chunks->len, ==, 2);
  g_assert_cmpuint (g_array_index (again->index_chunks, ChunkId, 1).bytes[0], ==, 0xaa);
}

#define CHANNELS(member)                                                                           \
  "{\"format\":\"gild-channels-1\",\"image\":\"a/b\",\"serial\":5,\"channels\":{\"x\":1},"         \
  "\"expires\":\"\"," member "}"
#define EVENT(serial, from)                                                                        \
  "{\"serial\":" serial ",\"channel\":\"x\",\"version\":2,\"from\":" from                          \
  ",\"action\":\"promote\",\"at\":\"\",\"by\":\"a@b\",\"note\":\"\"}"

static void
test_channel_records (void)
{
  static const char *const BAD[] = {
    "{}",
    "{\"format\":\"gild-version-1\",\"image\":\"a/"
    "b\",\"serial\":1,\"channels\":{},\"expires\":\"\"}",
    "{\"format\":\"gild-channels-1\",\"image\":\"a/"
    "b\",\"serial\":0,\"channels\":{},\"expires\":\"\"}",
    "{\"format\":\"gild-channels-1\",\"image\":\"a/"
    "b\",\"serial\":1,\"channels\":[],\"expires\":\"\"}",
    "{\"format\":\"gild-channels-1\",\"image\":\"a/"
    "b\",\"serial\":1,\"channels\":{\"X\":1},\"expires\":\"\"}",
    "{\"format\":\"gild-channels-1\",\"image\":\"a/"
    "b\",\"serial\":1,\"channels\":{\"x\":0},\"expires\":\"\"}",
    "{\"format\":\"gild-channels-1\",\"image\":\"a/b\",\"serial\":1,\"channels\":{\"x\":1}}",
    CHANNELS ("\"rollouts\":[]"),
    CHANNELS ("\"rollouts\":{\"x\":1}"),
    CHANNELS ("\"rollouts\":{\"x\":{\"version\":2,\"percent\":0}}"),
    CHANNELS ("\"rollouts\":{\"x\":{\"version\":2,\"percent\":101}}"),
    CHANNELS ("\"rollouts\":{\"x\":{\"version\":0,\"percent\":5}}"),
    CHANNELS ("\"rollouts\":{\"y\":{\"version\":2,\"percent\":5}}"),
    CHANNELS ("\"reserved\":4"),
    CHANNELS ("\"reserved\":\"6\""),
    CHANNELS ("\"history\":{}"),
    CHANNELS ("\"history\":[1]"),
    CHANNELS ("\"history\":[{}]"),
    CHANNELS ("\"history\":[" EVENT ("0", "null") "]"),
    CHANNELS ("\"history\":[" EVENT ("1", "0") "]"),
    CHANNELS ("\"history\":[" EVENT ("1", "\"1\"") "]"),
  };
  g_autoptr (ChannelRecord) record = channel_record_new ("a/b");

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    g_assert_null (channel_record_from_json (BAD[i], strlen (BAD[i]), NULL));

  record->serial = 3;
  record->expires = g_strdup ("2027-01-01T00:00:00Z");
  g_hash_table_insert (record->channels, g_strdup ("test"), GUINT_TO_POINTER (8));
  g_hash_table_insert (record->channels, g_strdup ("production"), GUINT_TO_POINTER (8));
  g_autofree char *json = channel_record_to_json (record);
  g_autoptr (ChannelRecord) again = channel_record_from_json (json, strlen (json), NULL);
  g_autofree char *names = channel_record_names_of (again, 8);
  g_assert_cmpstr (names, ==, "production, test");
  g_assert_cmpuint (again->serial, ==, 3);
  g_assert_cmpuint (channel_record_get (again, "test"), ==, 8);
  g_assert_cmpuint (channel_record_get (again, "other"), ==, 0);
}

/* RECORD, written and read again.  */
static ChannelRecord *
reread (const ChannelRecord *record)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *json = channel_record_to_json (record);
  ChannelRecord *again = channel_record_from_json (json, strlen (json), &error);

  g_assert_no_error (error);
  return again;
}

static void
test_rollouts (void)
{
  static const char GOOD[] = CHANNELS ("\"rollouts\":{},\"reserved\":5,\"history\":[]");
  g_autoptr (ChannelRecord) good = channel_record_from_json (GOOD, strlen (GOOD), NULL);
  g_autoptr (ChannelRecord) record = channel_record_new ("accounting/desktop");

  g_assert_nonnull (good);
  g_assert_cmpuint (good->reserved, ==, 5);
  record->serial = 3;
  record->reserved = 7;
  record->expires = g_strdup ("2027-01-01T00:00:00Z");
  g_hash_table_insert (record->channels, g_strdup ("production"), GUINT_TO_POINTER (7));
  channel_record_set_rollout (record, "production", 8, 53);
  g_autoptr (ChannelRecord) again = reread (record);
  g_autofree char *new_names = channel_record_names_of (again, 8);
  g_autofree char *old_names = channel_record_names_of (again, 7);
  g_autoptr (GArray) versions = channel_record_versions (again);
  g_assert_cmpstr (new_names, ==, "production (53 %)");
  g_assert_cmpstr (old_names, ==, "production");
  g_assert_cmpuint (versions->len, ==, 2);
  g_assert_cmpuint (channel_record_last_version (again), ==, 8);
  g_assert_cmpuint (again->reserved, ==, 7);
  g_assert_cmpuint (channel_record_resolve (again, "production", "pc1"), ==,
                    rollout_bucket ("accounting/desktop", 8, "pc1") < 53 ? 8 : 7);
  channel_record_set_rollout (again, "production", 8, 100);
  g_assert_cmpuint (channel_record_resolve (again, "production", "pc1"), ==, 8);
  g_assert_cmpuint (channel_record_resolve (again, "test", "pc1"), ==, 0);
}

/* The buckets are part of the format: every host has to come to the same, for ever.  */
static void
test_buckets (void)
{
  static const struct
  {
    const char *image;
    guint version;
    const char *host;
    guint bucket;
  } CASES[] = {
    { "accounting/desktop", 8, "pc1", 34 },
    { "accounting/desktop", 8, "pc2", 84 },
    { "accounting/desktop", 8, "pc3", 96 },
    { "accounting/desktop", 9, "pc1", 84 },
    { "a/b", 1, "x", 2 },
    { "a/b", 999999999, "a-very-long-host-name-0123456789", 99 },
  };
  guint counts[4] = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    g_assert_cmpuint (rollout_bucket (CASES[i].image, CASES[i].version, CASES[i].host), ==,
                      CASES[i].bucket);
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *host = g_strdup_printf ("pc%u", i);
      counts[rollout_bucket ("accounting/desktop", 8, host) / 25]++;
    }
  for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
    g_assert_true (counts[i] > 200 && counts[i] < 300);
}

static void
add_event (ChannelRecord *record, guint version, const char *action, const char *at)
{
  const ChannelEvent event = { ++record->serial,
                               (char *)"production",
                               version,
                               channel_record_get (record, "production"),
                               (char *)action,
                               (char *)at,
                               (char *)"alice@srv",
                               (char *)"why\nnot" };

  channel_history_add (record->history, &event);
  g_hash_table_insert (record->channels, g_strdup ("production"), GUINT_TO_POINTER (version));
}

/* What going back leads to.  The clock jumps, and nothing is to go by it.  */
static void
test_history (void)
{
  static const struct
  {
    guint version;
    const char *action, *at;
    guint before; // what the channel named before it came forward to this version
  } STEPS[] = {
    { 1, CHANNEL_PUBLISH, "2026-11-01T00:00:00Z", 0 },
    { 2, CHANNEL_PUBLISH, "2038-01-19T03:14:08Z", 1 },
    { 3, CHANNEL_PUBLISH, "1970-01-01T00:00:00Z", 2 },
    { 2, CHANNEL_ROLLBACK, "1970-01-01T00:00:01Z", 1 },
    { 1, CHANNEL_ROLLBACK, "", 0 },
    { 3, CHANNEL_PROMOTE, "2026-11-02T00:00:00Z", 1 },
    { 1, CHANNEL_ROLLBACK, "2026-11-02T00:00:00Z", 0 },
    { 5, CHANNEL_PUBLISH, "2026-11-02T00:00:00Z", 1 },
  };
  g_autoptr (ChannelRecord) record = channel_record_new ("a/b");

  record->expires = g_strdup ("");
  for (gsize i = 0; i < G_N_ELEMENTS (STEPS); i++)
    {
      add_event (record, STEPS[i].version, STEPS[i].action, STEPS[i].at);
      g_autoptr (ChannelRecord) again = reread (record);
      const ChannelEvent *last = again->history->pdata[again->history->len - 1];
      g_assert_cmpuint (again->history->len, ==, i + 1);
      g_assert_cmpuint (last->serial, ==, i + 1);
      g_assert_cmpstr (last->note, ==, "why\nnot");
      g_assert_cmpuint (channel_history_before (again->history, "production", STEPS[i].version), ==,
                        STEPS[i].before);
    }
  g_assert_cmpuint (channel_history_before (record->history, "test", 5), ==, 0);
}

/* The oldest go.  */
static void
test_long_history (void)
{
  g_autoptr (ChannelRecord) record = channel_record_new ("a/b");

  record->expires = g_strdup ("");
  for (guint i = 1; i <= CHANNEL_HISTORY_MAX + 50; i++)
    add_event (record, i, CHANNEL_PUBLISH, "");
  g_autoptr (ChannelRecord) again = reread (record);
  g_assert_cmpuint (again->history->len, ==, CHANNEL_HISTORY_MAX);
  g_assert_cmpuint (((const ChannelEvent *)again->history->pdata[0])->serial, ==, 51);
  g_hash_table_insert (again->channels, g_strdup ("production"), GUINT_TO_POINTER (1));
  g_assert_cmpuint (channel_record_last_version (again), ==, CHANNEL_HISTORY_MAX + 50);
}

static void
test_expiry (void)
{
  static const struct
  {
    const char *expires;
    gboolean is_expired;
  } CASES[] = {
    { "", TRUE },
    { "soon", TRUE },
    { "2026-11-21T12:00:00Z", TRUE },
    { "2026-11-21T12:00:01Z", FALSE },
    { "2027-01-01T00:00:00Z", FALSE },
  };
  g_autoptr (GDateTime) now = g_date_time_new_utc (2026, 11, 21, 12, 0, 0);

  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_autoptr (ChannelRecord) record = channel_record_new ("demo/desktop");
      record->expires = g_strdup (CASES[i].expires);
      g_assert_cmpint (channel_record_is_expired (record, now), ==, CASES[i].is_expired);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/signature/checked", Fixture, NULL, set_up, test_signature_is_checked, tear_down);
  g_test_add ("/signature/line", Fixture, NULL, set_up, test_signature_line, tear_down);
  g_test_add ("/signature/another-key", Fixture, NULL, set_up, test_another_key, tear_down);
  g_test_add ("/signature/secret-key", Fixture, NULL, set_up, test_secret_key, tear_down);
  g_test_add ("/record/file", Fixture, NULL, set_up, test_record_file, tear_down);
  g_test_add_func ("/record/version/bad", test_bad_version_records);
  g_test_add_func ("/record/version/round-trip", test_version_record);
  g_test_add_func ("/record/channels", test_channel_records);
  g_test_add_func ("/record/channels/rollouts", test_rollouts);
  g_test_add_func ("/record/channels/buckets", test_buckets);
  g_test_add_func ("/record/channels/history", test_history);
  g_test_add_func ("/record/channels/long-history", test_long_history);
  g_test_add_func ("/record/channels/expiry", test_expiry);
  return g_test_run ();
}
