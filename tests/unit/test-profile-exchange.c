// SPDX-License-Identifier: GPL-2.0-or-later
// Boot profiles between hosts, and the chunks that they have fetched: in the profile's order, once,
// those alone that are missing.

#include <gio/gio.h>
#include <string.h>

#include "library-fixture.h"
#include "network/profile-exchange.h"
#include "network/profile-fetch.h"
#include "qcow-backing/boot-profile-file.h"
#include "qcow-backing/fail.h"

#define IMAGE    "a/b"
#define N_CHUNKS 20u

/* The bytes of a/b@7: each tenth chunk is zero, 11 is the same as 1.  */
static const guint8 BYTES[N_CHUNKS] = { 0, 1, 2,  3,  4,  5,  6,  7,  8,  9,
                                        0, 1, 12, 13, 14, 15, 16, 17, 18, 19 };

/* Of those that are not zero, the store has the even ones.  */
static void
set_up (LibraryFixture *f, gconstpointer data)
{
  library_fixture_set_up (f);
  library_fixture_add_version (f, IMAGE, 7, BYTES, N_CHUNKS);
  for (guint i = 0; i < N_CHUNKS; i += 2)
    if (BYTES[i] != 0)
      library_fixture_add_chunk (f, BYTES[i]);
}

static void
tear_down (LibraryFixture *f, gconstpointer data)
{
  library_fixture_tear_down (f);
}

#define PROFILE(version, boots, positions)                                                         \
  "{\"format\":\"gild-profile-1\",\"image\":\"a/b\",\"version\":" version ",\"boots\":" boots      \
  ",\"positions\":[" positions "]}"

static void
take (LibraryFixture *f, const char *text, guint version, int code)
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
assert_boots (LibraryFixture *f, guint boots, guint n_positions)
{
  g_autoptr (BootProfile) profile = boot_profile_load (f->library, IMAGE, 7);

  g_assert_cmpuint (profile ? profile->boots : 0, ==, boots);
  g_assert_cmpuint (profile ? profile->positions->len : 0, ==, n_positions);
}

static void
test_take (LibraryFixture *f, gconstpointer data)
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
test_receive (LibraryFixture *f, gconstpointer data)
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

/* The bytes of what is missing are BYTES_MISSING.  */
static void
assert_missing (LibraryFixture *f, const char *bytes_missing)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) missing = profile_fetch_missing (f->config, IMAGE, 7, &error);
  g_autoptr (GString) text = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < missing->len; i++)
    for (guint8 byte = 0; byte < N_CHUNKS; byte++)
      {
        ChunkId id = library_fixture_chunk_id (byte);
        if (chunk_id_equal (&g_array_index (missing, ChunkId, i), &id))
          g_string_append_printf (text, "%u ", byte);
      }
  g_assert_cmpstr (text->str, ==, bytes_missing);
}

static void
test_missing (LibraryFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (profile_fetch_missing (f->config, IMAGE, 8, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  assert_missing (f, "");
  take (f, PROFILE ("7", "1", "19,2,11,10,3,1,0,5"), 7, -1);
  assert_missing (f, "19 1 3 5 ");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/profile-exchange/outbox", test_outbox);
  g_test_add_func ("/profile-exchange/outbox-is-bounded", test_outbox_is_bounded);
  g_test_add ("/profile-exchange/take", LibraryFixture, NULL, set_up, test_take, tear_down);
  g_test_add ("/profile-exchange/receive", LibraryFixture, NULL, set_up, test_receive, tear_down);
  g_test_add ("/profile-fetch/missing", LibraryFixture, NULL, set_up, test_missing, tear_down);
  return g_test_run ();
}
