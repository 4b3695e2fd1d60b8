// SPDX-License-Identifier: GPL-2.0-or-later
// How complete versions are: what is missing is counted, also when it comes and when it goes.
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "library-fixture.h"
#include "network/completeness.h"
#include "network/own-host.h"

#define MANY 100000

static void
set_up (LibraryFixture *f, gconstpointer data)
{
  library_fixture_set_up (f);
}

static void
tear_down (LibraryFixture *f, gconstpointer data)
{
  library_fixture_tear_down (f);
}

static void
assert_missing (Completeness *completeness, const char *ref, guint chunks)
{
  guint64 missing = G_MAXUINT64;

  g_assert_true (completeness_get (completeness, ref, &missing));
  g_assert_cmpuint (missing, ==, chunks * CHUNK_SIZE);
}

static void
test_comes_and_goes (LibraryFixture *f, gconstpointer data)
{
  static const guint8 FIRST[] = { 1, 0, 2, 0, 3 }, SECOND[] = { 1, 4, 0, 0, 3 };
  g_autoptr (Completeness) completeness = completeness_new (f->library);
  guint64 missing;

  library_fixture_add_version (f, "demo/desktop", 1, FIRST, G_N_ELEMENTS (FIRST));
  g_assert_false (completeness_get (completeness, "demo/desktop@1", &missing));
  library_fixture_add_chunk (f, 2);
  completeness_scan (completeness, MANY);
  assert_missing (completeness, "demo/desktop@1", 2);
  library_fixture_add_version (f, "demo/desktop", 2, SECOND, G_N_ELEMENTS (SECOND));
  library_fixture_add_chunk (f, 1);
  completeness_scan (completeness, MANY);
  assert_missing (completeness, "demo/desktop@1", 1);
  assert_missing (completeness, "demo/desktop@2", 2);
  library_fixture_remove_chunk (f, 2);
  library_fixture_add_chunk (f, 3);
  completeness_scan (completeness, MANY);
  assert_missing (completeness, "demo/desktop@1", 1);
  library_fixture_add_chunk (f, 2);
  completeness_scan (completeness, MANY);
  assert_missing (completeness, "demo/desktop@1", 0);

  // A complete version is left alone for a while, but looked at when somebody wants to know.
  library_fixture_remove_chunk (f, 2);
  completeness_scan (completeness, MANY);
  assert_missing (completeness, "demo/desktop@1", 0);
  g_assert_true (completeness_count (completeness, "demo/desktop", 1, &missing, NULL));
  g_assert_cmpuint (missing, ==, CHUNK_SIZE);
}

static void
test_bit_by_bit (LibraryFixture *f, gconstpointer data)
{
  g_autoptr (Completeness) completeness = completeness_new (f->library);
  guint8 bytes[200];
  guint64 missing;

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8)(i + 1);
  library_fixture_add_version (f, "demo/desktop", 1, bytes, sizeof bytes);
  for (guint i = 0; i < 2; i++)
    {
      completeness_scan (completeness, 9);
      g_assert_false (completeness_get (completeness, "demo/desktop@1", &missing));
    }
  completeness_scan (completeness, 9);
  assert_missing (completeness, "demo/desktop@1", sizeof bytes);
  library_fixture_add_chunk (f, 1);
  library_fixture_add_chunk (f, 101);
  for (guint i = 0; i < 8; i++) // of a version that was counted fewer at a time
    completeness_scan (completeness, 9);
  assert_missing (completeness, "demo/desktop@1", sizeof bytes - 1);
  for (guint i = 0; i < 8; i++)
    completeness_scan (completeness, 9);
  assert_missing (completeness, "demo/desktop@1", sizeof bytes - 2);

  // Of two new ones the newer one is counted first.
  library_fixture_add_version (f, "demo/erp", 1, bytes, sizeof bytes);
  library_fixture_add_version (f, "demo/erp", 2, bytes, sizeof bytes);
  completeness_scan (completeness, 20);
  g_assert_true (completeness_get (completeness, "demo/erp@2", &missing));
  g_assert_false (completeness_get (completeness, "demo/erp@1", &missing));
}

/* What cannot be read is not told, and does not keep the others from being counted.  */
static void
test_unreadable (LibraryFixture *f, gconstpointer data)
{
  static const guint8 BYTES[] = { 1, 2 };
  g_autofree char *path = image_library_version_path (f->library, "demo/desktop", 1, ".caibx");
  g_autoptr (Completeness) completeness = completeness_new (f->library);
  g_autoptr (GError) error = NULL;
  guint64 missing;

  library_fixture_add_version (f, "demo/desktop", 1, BYTES, 2);
  library_fixture_add_version (f, "demo/erp", 1, BYTES, 2);
  g_assert_true (g_file_set_contents (path, "x", 1, NULL));
  completeness_scan (completeness, MANY);
  assert_missing (completeness, "demo/erp@1", 2);
  g_assert_false (completeness_get (completeness, "demo/desktop@1", &missing));
  g_assert_false (completeness_count (completeness, "demo/desktop", 1, &missing, &error));
  g_assert_nonnull (error);

  g_autofree char *record = image_library_version_path (f->library, "demo/erp", 1, ".json.sig");
  g_unlink (record);
  completeness_scan (completeness, MANY);
  g_autoptr (GPtrArray) versions = completeness_versions (completeness);
  g_assert_cmpuint (versions->len, ==, 0);
}

static void
test_own_host (LibraryFixture *f, gconstpointer data)
{
  static const guint8 BYTES[] = { 1, 2 };
  g_autoptr (Completeness) completeness = completeness_new (f->library);
  g_autofree char *secret = g_build_filename (f->directory, "site", "site.sec", NULL);
  g_autoptr (GPtrArray) images = g_ptr_array_new ();

  library_fixture_add_version (f, "demo/desktop", 1, BYTES, 2);
  completeness_scan (completeness, MANY);
  g_autoptr (Host) publisher = own_host_new (f->config, "srv", completeness);
  g_assert_true (publisher->is_origin && publisher->is_publisher);
  g_assert_cmpuint (publisher->versions->len, ==, 1);
  g_unlink (secret);
  g_autoptr (Host) peer = own_host_new (f->config, "srv", completeness);
  g_assert_false (peer->is_origin || peer->is_publisher);
  g_ptr_array_add (images, (char *)"demo/desktop");
  g_assert_true (origin_set_replicas (f->config, images, NULL));
  g_autoptr (Host) origin = own_host_new (f->config, "srv", completeness);
  g_assert_true (origin->is_origin && !origin->is_publisher);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(NAME, FUNC)                                                                            \
  g_test_add ("/completeness/" NAME, LibraryFixture, NULL, set_up, FUNC, tear_down)
  ADD ("unreadable", test_unreadable);
  ADD ("bit-by-bit", test_bit_by_bit);
  ADD ("comes-and-goes", test_comes_and_goes);
  ADD ("own-host", test_own_host);
  return g_test_run ();
}
