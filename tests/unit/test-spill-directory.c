// SPDX-License-Identifier: GPL-2.0-or-later
// The directories of spilled overlays: which there are, and that removing one removes nothing else.
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qcow-backing/spill-directory.h"
#include "tests/unit/remove-tree.h"

typedef struct
{
  char *top;
  Config config;
} Fixture;

static char *
at (const Fixture *fixture, const char *path)
{
  return g_build_filename (fixture->top, path, NULL);
}

static void
make_file (const Fixture *fixture, const char *path)
{
  g_autofree char *full = at (fixture, path);
  g_autofree char *directory = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  g_assert_true (g_file_set_contents (full, "x", 1, NULL));
}

static gboolean
exists (const Fixture *fixture, const char *path)
{
  g_autofree char *full = at (fixture, path);
  struct stat status;

  return lstat (full, &status) == 0;
}

static void
make_link (const Fixture *fixture, const char *target, const char *path)
{
  g_autofree char *full = at (fixture, path), *full_target = at (fixture, target);

  g_assert_cmpint (symlink (full_target, full), ==, 0);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->top = g_dir_make_tmp ("spill-XXXXXX", NULL);
  fixture->config.state_dir = at (fixture, "state");
  make_file (fixture, "state/spill/pc1/vda.qcow2");
  make_file (fixture, "state/spill/pc1/vdb.qcow2");
  make_file (fixture, "state/spill/pc2/vda.qcow2");
  make_file (fixture, "other/file");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  remove_tree (fixture->top);
  g_free (fixture->config.state_dir);
  g_free (fixture->top);
}

static void
test_bad_names (Fixture *fixture, gconstpointer data)
{
  static const char *const BAD[] = { "", ".", "..", "../spill/pc1", "pc1/", ".hidden", "a b" };

  make_file (fixture, "state/spill/.hidden/file");
  make_file (fixture, "state/spill/a b/file");
  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_false (spill_directory_remove (&fixture->config, BAD[i], &error));
      g_assert_nonnull (error);
    }
  g_assert_true (exists (fixture, "state/spill/pc1/vda.qcow2"));
  g_assert_true (exists (fixture, "state/spill/.hidden/file"));
  g_assert_true (exists (fixture, "state/spill/a b/file"));
  g_autoptr (GPtrArray) names = spill_directory_names (&fixture->config, NULL);
  g_assert_cmpuint (names->len, ==, 2);
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) names = spill_directory_names (&fixture->config, NULL);

  g_assert_cmpuint (names->len, ==, 2);
  g_assert_true (g_ptr_array_find_with_equal_func (names, "pc1", g_str_equal, NULL));
  g_assert_true (g_ptr_array_find_with_equal_func (names, "pc2", g_str_equal, NULL));
}

static void
test_remove (Fixture *fixture, gconstpointer data)
{
  g_assert_true (spill_directory_remove (&fixture->config, "pc1", NULL));
  g_assert_false (exists (fixture, "state/spill/pc1"));
  g_assert_true (exists (fixture, "state/spill/pc2/vda.qcow2"));
  g_assert_true (spill_directory_remove (&fixture->config, "pc1", NULL)); // again: nothing there
}

static void
test_nothing_there (Fixture *fixture, gconstpointer data)
{
  Config elsewhere = { .state_dir = (char *)"/nonexistent" };
  g_autoptr (GPtrArray) names = spill_directory_names (&elsewhere, NULL);

  g_assert_cmpuint (names->len, ==, 0);
  g_assert_true (spill_directory_remove (&elsewhere, "pc1", NULL));
}

static void
test_links (Fixture *fixture, gconstpointer data)
{
  make_link (fixture, "other", "state/spill/pc3");
  make_link (fixture, "other/file", "state/spill/pc2/vdb.qcow2");
  g_assert_true (spill_directory_remove (&fixture->config, "pc3", NULL));
  g_assert_true (spill_directory_remove (&fixture->config, "pc2", NULL));
  g_assert_false (exists (fixture, "state/spill/pc3"));
  g_assert_false (exists (fixture, "state/spill/pc2"));
  g_assert_true (exists (fixture, "other/file"));

  // Even the place itself is no link's: the administrator mounts what is elsewhere.
  g_autofree char *spill = at (fixture, "state/spill"), *moved = at (fixture, "moved");
  g_assert_cmpint (g_rename (spill, moved), ==, 0);
  make_link (fixture, "moved", "state/spill");
  g_assert_false (spill_directory_remove (&fixture->config, "pc1", NULL));
  g_assert_true (exists (fixture, "moved/pc1/vda.qcow2"));
}

static void
test_directory_inside (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  make_file (fixture, "state/spill/pc1/deep/file");
  g_assert_false (spill_directory_remove (&fixture->config, "pc1", &error));
  g_assert_nonnull (strstr (error->message, "/state/spill/pc1, remove it by hand"));
  g_assert_true (exists (fixture, "state/spill/pc1/deep/file"));
  g_assert_false (exists (fixture, "state/spill/pc1/vda.qcow2"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, test) g_test_add (path, Fixture, NULL, set_up, test, tear_down)
  ADD ("/spill-directory/bad-names", test_bad_names);
  ADD ("/spill-directory/names", test_names);
  ADD ("/spill-directory/remove", test_remove);
  ADD ("/spill-directory/nothing-there", test_nothing_there);
  ADD ("/spill-directory/links", test_links);
  ADD ("/spill-directory/directory-inside", test_directory_inside);
  return g_test_run ();
}
