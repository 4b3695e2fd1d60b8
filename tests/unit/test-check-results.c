// SPDX-License-Identifier: GPL-2.0-or-later
// Results of checks: kept whole, replaced, and gone with their version; checks that were killed.

#include "qcow-backing/check-results.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "library-fixture.h"

#define IMAGE "demo/desktop"

static void
set_up (LibraryFixture *f, gconstpointer data)
{
  g_autofree char *checks = NULL;

  library_fixture_set_up (f);
  checks = config_state_path (f->config, "checks", NULL);
  g_assert_cmpint (g_mkdir (checks, 0750), ==, 0);
}

static void
tear_down (LibraryFixture *f, gconstpointer data)
{
  library_fixture_tear_down (f);
}

static CheckRecord
record_of (guint version, gboolean is_up, const char *screenshot)
{
  return (CheckRecord){ (char *)IMAGE,
                        version,
                        is_up,
                        (char *)"a reason",
                        1.5,
                        (char *)"2026-11-25T02:10:00Z",
                        (char *)"console.log",
                        (char *)screenshot };
}

static void
write_file (const CheckDirectory *directory, const char *name, const char *text)
{
  g_autofree char *path = check_directory_file (directory, name);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* A check of VERSION with that result.  */
static void
check (const LibraryFixture *f, guint version, gboolean is_up, const char *screenshot)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CheckDirectory) directory = check_directory_make (f->config, &error);
  const CheckRecord record = record_of (version, is_up, screenshot);

  g_assert_no_error (error);
  write_file (directory, "console.log", is_up ? "up" : "down");
  if (screenshot)
    write_file (directory, screenshot, "a picture");
  check_directory_keep (directory, &record, &error);
  g_assert_no_error (error);
}

static gboolean
has_file (const LibraryFixture *f, guint version, const char *name)
{
  g_autofree char *path = check_results_file (f->config, IMAGE, version, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static guint
count_running (const LibraryFixture *f)
{
  g_autofree char *path = config_state_path (f->config, "checks", ".running", NULL);
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (directory && g_dir_read_name (directory))
    n++;
  return n;
}

static void
test_none (LibraryFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (check_results_load (f->config, IMAGE, 1, &error));
  g_assert_no_error (error);
}

static void
test_damaged (LibraryFixture *f, gconstpointer data)
{
  g_autofree char *path = check_results_file (f->config, IMAGE, 1, CHECK_RECORD_FILE);
  g_autofree char *huge = g_strnfill (CHECK_RECORD_SIZE_MAX + 1, ' ');
  const char *const bad[] = { "", "{}", "{\"format\":\"gild-check-1\"}", huge };

  check (f, 1, TRUE, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_true (g_file_set_contents (path, bad[i], -1, NULL));
      g_assert_null (check_results_load (f->config, IMAGE, 1, &error));
      g_assert_nonnull (error);
    }
}

static void
test_kept (LibraryFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  check (f, 3, TRUE, "screenshot.png");
  g_autoptr (CheckRecord) record = check_results_load (f->config, IMAGE, 3, &error);
  g_assert_no_error (error);
  g_assert_true (record->is_up);
  g_assert_cmpstr (record->screenshot, ==, "screenshot.png");
  g_assert_true (has_file (f, 3, "screenshot.png") && has_file (f, 3, "console.log"));
  g_assert_cmpuint (count_running (f), ==, 0);
}

/* Nothing of an older result stays.  */
static void
test_replaced (LibraryFixture *f, gconstpointer data)
{
  g_autofree char *console = check_results_file (f->config, IMAGE, 3, "console.log");
  g_autofree char *text = NULL;

  check (f, 3, TRUE, "screenshot.ppm");
  check (f, 3, FALSE, NULL);
  g_autoptr (CheckRecord) record = check_results_load (f->config, IMAGE, 3, NULL);
  g_assert_false (record->is_up);
  g_assert_null (record->screenshot);
  g_assert_false (has_file (f, 3, "screenshot.ppm"));
  g_assert_true (g_file_get_contents (console, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "down");
}

/* Files that are not there: then there is no result, and not the older one with other files.  */
static void
test_half (LibraryFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CheckDirectory) directory = check_directory_make (f->config, NULL);
  const CheckRecord record = record_of (3, TRUE, "screenshot.png");

  check (f, 3, FALSE, NULL);
  write_file (directory, "console.log", "up");
  g_assert_false (check_directory_keep (directory, &record, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_null (check_results_load (f->config, IMAGE, 3, &error));
  g_assert_no_error (error);
}

static void
test_running (LibraryFixture *f, gconstpointer data)
{
  g_autoptr (CheckDirectory) one = check_directory_make (f->config, NULL);
  g_autoptr (CheckDirectory) other = check_directory_make (f->config, NULL);
  g_autofree char *id = g_strdup (check_directory_id (one));

  g_assert_cmpstr (id, !=, check_directory_id (other));
  g_assert_true (check_is_running (f->config, id));
  g_assert_cmpuint (count_running (f), ==, 2);
  g_clear_pointer (&one, check_directory_free);
  g_assert_false (check_is_running (f->config, id));
  g_assert_true (check_is_running (f->config, check_directory_id (other)));
  g_assert_false (check_is_running (f->config, ".."));
  g_assert_false (check_is_running (f->config, "."));
  g_assert_false (check_is_running (f->config, ""));
  g_assert_false (check_is_running (f->config, "../.running"));
}

/* What a check that was killed has left: nobody has locked it.  */
static void
test_killed (LibraryFixture *f, gconstpointer data)
{
  g_autoptr (CheckDirectory) running = check_directory_make (f->config, NULL);
  g_autofree char *left = config_state_path (f->config, "checks", ".running", "0badcafe", NULL);
  g_autofree char *file = g_build_filename (left, "console.log", NULL);

  g_assert_cmpint (g_mkdir (left, 0750), ==, 0);
  g_assert_true (g_file_set_contents (file, "x", -1, NULL));
  g_assert_false (check_is_running (f->config, "0badcafe"));
  g_autoptr (CheckDirectory) next = check_directory_make (f->config, NULL);
  g_assert_false (g_file_test (left, G_FILE_TEST_EXISTS));
  g_assert_cmpuint (count_running (f), ==, 2);
}

static void
test_swept (LibraryFixture *f, gconstpointer data)
{
  static const guint8 BYTES[] = { 1 };
  g_autofree char *gone = config_state_path (f->config, "checks", "gone", NULL);
  g_autofree char *gone_version = g_build_filename (gone, "image", "1", NULL);
  g_autoptr (GError) error = NULL;

  library_fixture_add_version (f, IMAGE, 2, BYTES, G_N_ELEMENTS (BYTES));
  check (f, 1, TRUE, "screenshot.png");
  check (f, 2, TRUE, NULL);
  g_assert_cmpint (g_mkdir_with_parents (gone_version, 0750), ==, 0);
  check_results_sweep (f->config, f->library, &error);
  g_assert_no_error (error);
  g_assert_false (has_file (f, 1, NULL));
  g_assert_true (has_file (f, 2, CHECK_RECORD_FILE));
  g_assert_false (g_file_test (gone, G_FILE_TEST_EXISTS));
}

static void
test_never_checked (LibraryFixture *f, gconstpointer data)
{
  g_autofree char *checks = config_state_path (f->config, "checks", NULL);

  g_assert_cmpint (g_rmdir (checks), ==, 0);
  g_assert_true (check_results_sweep (f->config, f->library, NULL));
  g_assert_false (g_file_test (checks, G_FILE_TEST_EXISTS));
}

#define ADD(name, func) g_test_add (name, LibraryFixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/check-results/none", test_none);
  ADD ("/check-results/damaged", test_damaged);
  ADD ("/check-results/kept", test_kept);
  ADD ("/check-results/replaced", test_replaced);
  ADD ("/check-results/half", test_half);
  ADD ("/check-results/running", test_running);
  ADD ("/check-results/killed", test_killed);
  ADD ("/check-results/swept", test_swept);
  ADD ("/check-results/never-checked", test_never_checked);
  return g_test_run ();
}
