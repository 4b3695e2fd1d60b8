// SPDX-License-Identifier: GPL-2.0-or-later
// Boot profiles: what is none is refused, what boots read adds up, and a file that is damaged goes.

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "library-fixture.h"
#include "qcow-backing/boot-profile-file.h"

#define N_CHUNKS 100u
#define IMAGE    "a/b"

#define HEAD "{\"format\":\"gild-profile-1\",\"image\":\"a/b\",\"version\":7,"

static const struct
{
  const char *name, *text, *sentence; // sentence: a glob
} BAD[] = {
  { "nothing", "", "*" },
  { "an array", "[]", "*" },
  { "cut short", HEAD "\"boots\":1,\"positions\":[1,2", "*" },
  { "no format", "{}", "*\"format\" is missing*" },
  { "another format",
    "{\"format\":\"gild-profile-2\",\"image\":\"a/b\",\"version\":7,\"boots\":1,\"positions\":[1]}",
    "*gild-profile-2*" },
  { "a name that climbs",
    "{\"format\":\"gild-profile-1\",\"image\":\"../b\",\"version\":7,\"boots\":1,\"positions\":[1]}",
    "*" },
  { "version 0",
    "{\"format\":\"gild-profile-1\",\"image\":\"a/b\",\"version\":0,\"boots\":1,\"positions\":[1]}",
    "*\"version\" is 0*" },
  { "no boots", HEAD "\"positions\":[1]}", "*\"boots\" is missing*" },
  { "less than no boots", HEAD "\"boots\":-1,\"positions\":[1]}", "*\"boots\" is -1*" },
  { "more boots than count", HEAD "\"boots\":4,\"positions\":[1]}", "*\"boots\" is 4*" },
  { "no positions", HEAD "\"boots\":1}", "*\"positions\" is missing*" },
  { "positions that are none", HEAD "\"boots\":1,\"positions\":[]}", "*\"positions\" is empty*" },
  { "positions that are no array", HEAD "\"boots\":1,\"positions\":7}", "*must be an array*" },
  { "a position twice", HEAD "\"boots\":1,\"positions\":[7,8,7]}", "*has 7 twice*" },
  { "a negative position", HEAD "\"boots\":1,\"positions\":[-1]}", "*something else*" },
  { "a position behind 4 TiB", HEAD "\"boots\":1,\"positions\":[67108864]}", "*something else*" },
  { "a position past 32 bits", HEAD "\"boots\":1,\"positions\":[4294967296]}", "*something else*" },
  { "half a position", HEAD "\"boots\":1,\"positions\":[1.5]}", "*something else*" },
  { "a position of text", HEAD "\"boots\":1,\"positions\":[\"1\"]}", "*something else*" },
  { "a position of null", HEAD "\"boots\":1,\"positions\":[null]}", "*something else*" },
};

static BootProfile *
profile_of (guint version, guint boots, const char *positions)
{
  g_auto (GStrv) words = g_strsplit (positions, " ", -1);
  BootProfile *profile = boot_profile_new (IMAGE, version);

  profile->boots = boots;
  for (gsize i = 0; words[i] && *words[i]; i++)
    {
      guint32 position = (guint32)g_ascii_strtoull (words[i], NULL, 10);
      g_array_append_val (profile->positions, position);
    }
  return profile;
}

static char *
positions_of (const BootProfile *profile)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < profile->positions->len; i++)
    g_string_append_printf (text, "%s%u", i > 0 ? " " : "",
                            g_array_index (profile->positions, guint32, i));
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
assert_profile (const BootProfile *profile, guint version, guint boots, const char *positions)
{
  g_assert_nonnull (profile);
  g_autofree char *text = positions_of (profile);
  g_assert_cmpstr (text, ==, positions);
  g_assert_cmpstr (profile->image, ==, IMAGE);
  g_assert_cmpuint (profile->version, ==, version);
  g_assert_cmpuint (profile->boots, ==, boots);
}

static void
test_bad (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BootProfile) profile =
          boot_profile_from_json (BAD[i].text, strlen (BAD[i].text), &error);
      g_test_message ("%s: %s", BAD[i].name, error ? error->message : "taken");
      g_assert_null (profile);
      g_assert_true (g_pattern_match_simple (BAD[i].sentence, error->message));
    }
}

/* The largest there is, which fits, and one more, which does not.  */
static void
test_bounds (void)
{
  g_autoptr (BootProfile) profile = boot_profile_new (IMAGE, 7);
  g_autoptr (GError) error = NULL;
  g_autofree char *spaces = g_strnfill (BOOT_PROFILE_SIZE_MAX, ' ');

  for (guint32 i = 0; i < BOOT_PROFILE_POSITIONS_MAX; i++)
    {
      guint32 position = (1u << 26) - 1 - i;
      g_array_append_val (profile->positions, position);
    }
  g_autofree char *text = boot_profile_to_json (profile);
  g_assert_cmpuint (strlen (text), <=, BOOT_PROFILE_SIZE_MAX);
  g_autoptr (BootProfile) read = boot_profile_from_json (text, strlen (text), &error);
  g_assert_no_error (error);
  g_assert_cmpmem (read->positions->data, read->positions->len * sizeof (guint32),
                   profile->positions->data, profile->positions->len * sizeof (guint32));
  guint32 one_more = 0;
  g_array_append_val (profile->positions, one_more);
  g_autofree char *long_text = boot_profile_to_json (profile);
  g_assert_null (boot_profile_from_json (long_text, strlen (long_text), &error));
  g_assert_nonnull (strstr (error->message, "more than 65536 entries"));
  g_clear_error (&error);
  g_autofree char *large = g_strconcat (spaces, text, NULL);
  g_assert_null (boot_profile_from_json (large, strlen (large), &error));
  g_assert_nonnull (strstr (error->message, "larger than"));
}

static void
test_fits (void)
{
  g_autoptr (BootProfile) profile = profile_of (7, 1, "5 9 2");

  g_assert_true (boot_profile_fits (profile, 10));
  g_assert_false (boot_profile_fits (profile, 9));
  g_assert_false (boot_profile_fits (profile, 0));
}

static void
test_merge (void)
{
  static const struct
  {
    guint boots;
    const char *profile, *boot;
    guint boots_then;
    const char *result;
  } MERGES[] = {
    { 0, "", "5 3 4", 1, "5 3 4" },
    { 0, "1 2 3", "5 3 4", 1, "5 3 4" }, // an inherited one
    { 1, "1 2 3", "5 3 4", 2, "1 2 3 5 4" },
    { 2, "1 2 3", "3 2 1", 3, "1 2 3" },
    { 3, "1 2 3", "5 3 4", 3, "1 2 3" }, // a closed one
  };

  for (gsize i = 0; i < G_N_ELEMENTS (MERGES); i++)
    {
      g_autoptr (BootProfile) profile = profile_of (7, MERGES[i].boots, MERGES[i].profile);
      g_autoptr (BootProfile) boot = profile_of (7, 1, MERGES[i].boot);
      boot_profile_merge (profile, boot);
      assert_profile (profile, 7, MERGES[i].boots_then, MERGES[i].result);
      g_assert_cmpint (boot_profile_is_closed (profile), ==, MERGES[i].boots_then == 3);
    }
}

static void
test_merge_is_bounded (void)
{
  g_autoptr (BootProfile) profile = boot_profile_new (IMAGE, 7);
  g_autoptr (BootProfile) boot = boot_profile_new (IMAGE, 7);

  for (guint32 i = 0; i < BOOT_PROFILE_POSITIONS_MAX - 1; i++)
    g_array_append_val (profile->positions, i);
  profile->boots = boot->boots = 1;
  for (guint32 i = BOOT_PROFILE_POSITIONS_MAX - 2; i < BOOT_PROFILE_POSITIONS_MAX + 2; i++)
    g_array_append_val (boot->positions, i);
  boot_profile_merge (profile, boot);
  g_assert_cmpuint (profile->positions->len, ==, BOOT_PROFILE_POSITIONS_MAX);
  g_assert_cmpuint (g_array_index (profile->positions, guint32, BOOT_PROFILE_POSITIONS_MAX - 1), ==,
                    BOOT_PROFILE_POSITIONS_MAX - 1);
}

/* An index of N_CHUNKS, of which each tenth is zero.  */
static Index *
make_index (void)
{
  static const guint8 ZEROS[CHUNK_SIZE];
  ChunkId ids[N_CHUNKS];
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < N_CHUNKS; i++)
    ids[i] =
        i % 10 == 0 ? chunk_id_of (ZEROS, CHUNK_SIZE) : chunk_id_of ((const guint8 *)&i, sizeof i);
  g_autoptr (GBytes) bytes = index_build (N_CHUNKS * CHUNK_SIZE, ids);
  Index *index = index_new_from_bytes (bytes, &error);
  g_assert_no_error (error);
  return index;
}

static void
test_inherit (void)
{
  g_autoptr (Index) index = make_index ();
  g_autoptr (BootProfile) parent = profile_of (7, 3, "99 10 5 100 20 1 67108863");
  g_autoptr (BootProfile) child = boot_profile_inherit (parent, 8, index);
  g_autoptr (BootProfile) zeros = profile_of (7, 3, "10 20 30");

  assert_profile (child, 8, 0, "99 5 1");
  g_assert_null (boot_profile_inherit (zeros, 8, index));
}

/* Versions 7 and 8 of a/b.  */
static void
set_up (LibraryFixture *f, gconstpointer data)
{
  static const guint8 BYTES[N_CHUNKS];

  library_fixture_set_up (f);
  library_fixture_add_version (f, IMAGE, 7, BYTES, N_CHUNKS);
  library_fixture_add_version (f, IMAGE, 8, BYTES, N_CHUNKS);
}

static void
tear_down (LibraryFixture *f, gconstpointer data)
{
  library_fixture_tear_down (f);
}

static void
add (LibraryFixture *f, guint version, const char *positions, guint boots_then)
{
  g_autoptr (BootProfile) boot = profile_of (version, 1, positions);
  g_autoptr (GError) error = NULL;
  guint boots;

  g_assert_true (boot_profile_add_boot (f->library, boot, &boots, &error));
  g_assert_cmpuint (boots, ==, boots_then);
}

static void
assert_on_disk (LibraryFixture *f, guint version, guint boots, const char *positions)
{
  g_autoptr (BootProfile) profile = boot_profile_load (f->library, IMAGE, version);

  assert_profile (profile, version, boots, positions);
}

static void
refuse (LibraryFixture *f, guint version, guint boots, const char *positions, GIOErrorEnum code)
{
  g_autoptr (BootProfile) boot = profile_of (version, boots, positions);
  g_autoptr (GError) error = NULL;

  g_assert_false (boot_profile_add_boot (f->library, boot, NULL, &error));
  g_assert_error (error, G_IO_ERROR, (int)code);
}

static void
test_boots (LibraryFixture *f, gconstpointer data)
{
  refuse (f, 9, 1, "1", G_IO_ERROR_NOT_FOUND);
  refuse (f, 7, 1, "1 100", G_IO_ERROR_INVALID_ARGUMENT);
  refuse (f, 7, 2, "1 2", G_IO_ERROR_INVALID_ARGUMENT);
  g_assert_null (boot_profile_load (f->library, IMAGE, 7));
  g_assert_null (boot_profile_load (f->library, IMAGE, 9));
  add (f, 7, "9 8 99", 1);
  add (f, 7, "1 9 2", 2);
  add (f, 8, "0", 1);
  assert_on_disk (f, 7, 2, "9 8 99 1 2");
  add (f, 7, "3", 3);
  add (f, 7, "4", 3);
  assert_on_disk (f, 7, 3, "9 8 99 1 2 3");
  assert_on_disk (f, 8, 1, "0");
}

/* Nothing waits for a gc, and a gc for nothing but the writing.  */
static void
test_gc (LibraryFixture *f, gconstpointer data)
{
  int lock = chunk_store_lock (image_library_store (f->library), CHUNK_STORE_LOCK_COLLECT, NULL);

  refuse (f, 7, 1, "1", G_IO_ERROR_WOULD_BLOCK);
  g_close (lock, NULL);
  add (f, 7, "1", 1);
}

static void
test_damaged (LibraryFixture *f, gconstpointer data)
{
  static const char *const DAMAGED[] = {
    "",
    "{",
    HEAD "\"boots\":1,\"positions\":[100]}",
    "{\"format\":\"gild-profile-1\",\"image\":\"a/b\",\"version\":8,\"boots\":1,\"positions\":[1]}",
    "{\"format\":\"gild-profile-1\",\"image\":\"a/c\",\"version\":7,\"boots\":1,\"positions\":[1]}",
  };
  g_autofree char *path = image_library_version_path (f->library, IMAGE, 7, BOOT_PROFILE_SUFFIX);

  for (gsize i = 0; i < G_N_ELEMENTS (DAMAGED); i++)
    {
      g_assert_true (g_file_set_contents (path, DAMAGED[i], -1, NULL));
      g_assert_null (boot_profile_load (f->library, IMAGE, 7));
      g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
      g_assert_true (g_file_set_contents (path, DAMAGED[i], -1, NULL));
      add (f, 7, "5 4", 1);
      assert_on_disk (f, 7, 1, "5 4");
    }
}

static void
test_take_over (LibraryFixture *f, gconstpointer data)
{
  static const struct
  {
    guint boots;
    const char *positions;
    guint boots_then;
    const char *result;
  } OTHERS[] = {
    { 0, "1 2", 0, "1 2" }, { 0, "3", 0, "1 2" },   { 2, "5 4", 2, "5 4" },
    { 1, "6", 2, "5 4" },   { 3, "7 8", 3, "7 8" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (OTHERS); i++)
    {
      g_autoptr (BootProfile) other = profile_of (7, OTHERS[i].boots, OTHERS[i].positions);
      g_autoptr (GError) error = NULL;
      boot_profile_take_over (f->library, other, &error);
      g_assert_no_error (error);
      assert_on_disk (f, 7, OTHERS[i].boots_then, OTHERS[i].result);
    }
  g_autoptr (BootProfile) beyond = profile_of (8, 3, "100");
  g_assert_false (boot_profile_take_over (f->library, beyond, NULL));
}

static void
test_hand_down (LibraryFixture *f, gconstpointer data)
{
  g_autoptr (Index) index = make_index ();

  add (f, 8, "6", 1);
  boot_profile_hand_down (f->library, IMAGE, 0, 8, index);
  g_assert_null (boot_profile_load (f->library, IMAGE, 8));
  boot_profile_hand_down (f->library, IMAGE, 7, 8, index); // which has none
  g_assert_null (boot_profile_load (f->library, IMAGE, 8));
  add (f, 7, "99 10 5", 1);
  boot_profile_hand_down (f->library, IMAGE, 7, 8, index);
  assert_on_disk (f, 8, 0, "99 5");
  add (f, 8, "5 1", 1);
  assert_on_disk (f, 8, 1, "5 1");
}

static gpointer
add_one (gpointer data)
{
  LibraryFixture *f = data;
  g_autoptr (BootProfile) boot = profile_of (7, 1, "1");
  g_autoptr (GError) error = NULL;
  guint boots;

  boot_profile_add_boot (f->library, boot, &boots, &error);
  g_assert_no_error (error);
  return GUINT_TO_POINTER (boots);
}

/* Boots that are told at once are counted each.  */
static void
test_at_once (LibraryFixture *f, gconstpointer data)
{
  GThread *threads[BOOT_PROFILE_BOOTS_MAX];
  guint sum = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("boot", add_one, f);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    sum += GPOINTER_TO_UINT (g_thread_join (threads[i]));
  g_assert_cmpuint (sum, ==, 1 + 2 + 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/boot-profile/bad", test_bad);
  g_test_add_func ("/boot-profile/bounds", test_bounds);
  g_test_add_func ("/boot-profile/fits", test_fits);
  g_test_add_func ("/boot-profile/merge", test_merge);
  g_test_add_func ("/boot-profile/merge-is-bounded", test_merge_is_bounded);
  g_test_add_func ("/boot-profile/inherit", test_inherit);
  g_test_add ("/boot-profile/boots", LibraryFixture, NULL, set_up, test_boots, tear_down);
  g_test_add ("/boot-profile/gc", LibraryFixture, NULL, set_up, test_gc, tear_down);
  g_test_add ("/boot-profile/damaged", LibraryFixture, NULL, set_up, test_damaged, tear_down);
  g_test_add ("/boot-profile/take-over", LibraryFixture, NULL, set_up, test_take_over, tear_down);
  g_test_add ("/boot-profile/hand-down", LibraryFixture, NULL, set_up, test_hand_down, tear_down);
  g_test_add ("/boot-profile/at-once", LibraryFixture, NULL, set_up, test_at_once, tear_down);
  return g_test_run ();
}
