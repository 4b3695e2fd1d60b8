// SPDX-License-Identifier: GPL-2.0-or-later
// What a host keeps whole: everything, some images, or nothing.
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "qcow-backing/origin.h"

typedef struct
{
  Config config;
  char *path; // of replica.json
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->config.state_dir = g_dir_make_tmp ("gild-origin-XXXXXX", NULL);
  fixture->path = config_state_path (&fixture->config, "replica.json", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *site = config_state_path (&fixture->config, "site", NULL);
  g_autofree char *key = g_build_filename (site, "site.sec", NULL);

  g_unlink (fixture->path);
  g_unlink (key);
  g_rmdir (site);
  g_assert_cmpint (g_rmdir (fixture->config.state_dir), ==, 0);
  g_free (fixture->path);
  g_free (fixture->config.state_dir);
}

static void
test_bad_files (Fixture *fixture, gconstpointer data)
{
  static const char *const BAD[] = {
    "",
    "[]",
    "{\"format\": \"gild-replica-2\", \"images\": []}",
    "{\"format\": \"gild-replica-1\"}",
    "{\"format\": \"gild-replica-1\", \"images\": \"a/b\"}",
    "{\"format\": \"gild-replica-1\", \"images\": [7]}",
    "{\"format\": \"gild-replica-1\", \"images\": [\"a\"]}",
    "{\"format\": \"gild-replica-1\", \"images\": [\"../b\"]}",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_true (g_file_set_contents (fixture->path, BAD[i], -1, NULL));
      g_assert_null (origin_load (&fixture->config, &error));
      g_assert_true (g_str_has_prefix (error->message, fixture->path));
    }
}

static void
test_none (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Origin) origin = origin_load (&fixture->config, NULL);

  g_assert_false (origin_keeps_any (origin));
  g_assert_false (origin_keeps (origin, "a/b"));
  g_assert_false (origin_is_publisher (origin));
}

static void
test_replica (Fixture *fixture, gconstpointer data)
{
  const char *const names[] = { "b/c", "a/b" }, *const bad[] = { "a/b", "a" };
  g_autoptr (GPtrArray) images = g_ptr_array_new ();
  g_autoptr (GPtrArray) refused = g_ptr_array_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_ptr_array_add (images, (gpointer)names[i]);
      g_ptr_array_add (refused, (gpointer)bad[i]);
    }
  g_assert_true (origin_set_replicas (&fixture->config, images, NULL));
  g_assert_false (origin_set_replicas (&fixture->config, refused, NULL));
  g_autoptr (Origin) origin = origin_load (&fixture->config, NULL);
  g_assert_true (origin_keeps_any (origin));
  g_assert_true (origin_keeps (origin, "a/b"));
  g_assert_true (origin_keeps (origin, "b/c"));
  g_assert_false (origin_keeps (origin, "a/c"));
  g_assert_false (origin_is_publisher (origin));
  g_assert_cmpstr (origin_replicas (origin)->pdata[0], ==, "a/b");
  g_ptr_array_set_size (images, 0);
  g_assert_true (origin_set_replicas (&fixture->config, images, NULL));
  g_autoptr (Origin) none = origin_load (&fixture->config, NULL);
  g_assert_false (origin_keeps_any (none));
}

static void
test_publisher (Fixture *fixture, gconstpointer data)
{
  g_autofree char *site = config_state_path (&fixture->config, "site", NULL);
  g_autofree char *key = g_build_filename (site, "site.sec", NULL);

  g_assert_cmpint (g_mkdir (site, 0755), ==, 0);
  g_assert_true (g_file_set_contents (key, "", 0, NULL));
  g_autoptr (Origin) origin = origin_load (&fixture->config, NULL);
  g_assert_true (origin_is_publisher (origin));
  g_assert_true (origin_keeps (origin, "any/image"));
  g_assert_cmpuint (origin_replicas (origin)->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, test) g_test_add (path, Fixture, NULL, set_up, test, tear_down)
  ADD ("/origin/bad-files", test_bad_files);
  ADD ("/origin/none", test_none);
  ADD ("/origin/replica", test_replica);
  ADD ("/origin/publisher", test_publisher);
  return g_test_run ();
}
