// SPDX-License-Identifier: GPL-2.0-or-later
// The overlays that are kept: what a pin.json must say, what gc hears of it, and how they go.

#include "qcow-backing/kept-overlays.h"

#include <glib/gstdio.h>
#include <string.h>

#define DISK                                                                                       \
  "{ \"target\": \"vda\", \"image\": \"demo/desktop\", \"channel\": null, \"version\": 3,"         \
  " \"virtual_size\": 1, \"backing\": \"x\" }"
#define PIN(name, rest)                                                                            \
  "{ \"format\": \"gild-pin-1\", \"name\": \"" name "\", \"uuid\": \"u\", \"overlay\": 1,"         \
  " \"spill\": 0, \"since\": \"2026-11-25T01:00:00Z\", \"disks\": [" DISK "]" rest " }"
#define KEPT ", \"kept\": \"2026-11-25T02:00:00Z\""

typedef struct
{
  char *directory;
  Config config;
} Fixture;

static void
write_file (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static void
keep (const Fixture *fixture, const char *name, const char *pin)
{
  g_autofree char *directory = kept_path (&fixture->config, name, NULL);
  g_autofree char *path = kept_path (&fixture->config, name, KEPT_PIN);
  g_autofree char *layer = kept_layer_path (&fixture->config, name, "vda", 0);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  write_file (layer, "layer");
  if (pin)
    write_file (path, pin);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("gild-kept-XXXXXX", NULL);
  g_assert_nonnull (fixture->directory);
  fixture->config =
      (Config){ .state_dir = fixture->directory, .run_dir = (char *)"/nonexistent/run" };
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *kept = g_build_filename (fixture->directory, "kept", NULL);
  g_autofree char *lock = g_build_filename (kept, ".lock", NULL);

  g_unlink (lock);
  g_rmdir (kept);
  g_assert_cmpint (g_rmdir (fixture->directory), ==, 0);
  g_free (fixture->directory);
}

static const struct
{
  const char *name, *pin, *sentence;
} REFUSED[] = {
  { "garbage", "{", "pin.json" },
  { "no-format", "{ \"name\": \"pc1\" }", "format" },
  { "another-desktop", PIN ("pc2", KEPT ", \"layers\": 1"), "another desktop" },
  { "never-kept", PIN ("pc1", ""), "kept" },
  { "no-layers", PIN ("pc1", KEPT), "layers" },
  { "zero-layers", PIN ("pc1", KEPT ", \"layers\": 0"), "no layers" },
  { "too-many-layers", PIN ("pc1", KEPT ", \"layers\": 99"), "layers" },
  { "failure-is-no-text", PIN ("pc1", KEPT ", \"layers\": 0, \"failure\": 1"), "failure" },
};

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (REFUSED); i++)
    {
      g_autoptr (GError) error = NULL, pins_error = NULL, remove_error = NULL;
      keep (fixture, "pc1", REFUSED[i].pin);
      g_assert_null (kept_load (&fixture->config, "pc1", &error));
      g_assert_nonnull (error);
      if (!strstr (error->message, REFUSED[i].sentence))
        g_error ("%s: %s", REFUSED[i].name, error->message);
      g_assert_null (pins_load (&fixture->config, &pins_error)); // nobody knows what it needs
      g_assert_nonnull (pins_error);
      kept_remove (&fixture->config, "pc1", &remove_error);
      g_assert_no_error (remove_error);
    }
}

static void
test_kept (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  keep (fixture, "pc1", PIN ("pc1", KEPT ", \"layers\": 1"));
  g_autoptr (KeptOverlays) kept = kept_load (&fixture->config, "pc1", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (kept->layers, ==, 1);
  g_assert_null (kept->failure);
  g_assert_cmpstr (kept->since, ==, "2026-11-25T01:00:00Z");
  g_assert_cmpstr (kept->at, ==, "2026-11-25T02:00:00Z");
  g_autoptr (GHashTable) pins = pins_load (&fixture->config, &error);
  g_assert_no_error (error);
  g_assert_true (g_hash_table_contains (pins, "demo/desktop@3"));
  kept_remove (&fixture->config, "pc1", &error);
  g_assert_no_error (error);
  g_assert_null (kept_load (&fixture->config, "pc1", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

/* What could not be kept needs no version.  */
static void
test_failure (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  keep (fixture, "pc1", PIN ("pc1", KEPT ", \"layers\": 0, \"failure\": \"no room\""));
  g_autoptr (KeptOverlays) kept = kept_load (&fixture->config, "pc1", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (kept->failure, ==, "no room");
  g_autoptr (GHashTable) pins = pins_load (&fixture->config, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_hash_table_size (pins), ==, 0);
  g_assert_true (kept_remove (&fixture->config, "pc1", NULL));
}

/* A directory without its pin.json is litter.  */
static void
test_litter (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  keep (fixture, "pc1", NULL);
  g_autoptr (GPtrArray) names = kept_names (&fixture->config, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (names->len, ==, 0);
  g_assert_cmpint (kept_hold (&fixture->config, "pc1", &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_true (kept_remove (&fixture->config, "pc1", NULL));
}

static void
test_hold (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  keep (fixture, "pc1", PIN ("pc1", KEPT ", \"layers\": 1"));
  int hold = kept_hold (&fixture->config, "pc1", &error);
  g_assert_no_error (error);
  g_assert_cmpint (kept_hold (&fixture->config, "pc1", &error), ==, -1);
  g_assert_nonnull (error);
  g_close (hold, NULL);
  g_assert_true (kept_remove (&fixture->config, "pc1", NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/kept-overlays/refused", Fixture, NULL, set_up, test_refused, tear_down);
  g_test_add ("/kept-overlays/kept", Fixture, NULL, set_up, test_kept, tear_down);
  g_test_add ("/kept-overlays/failure", Fixture, NULL, set_up, test_failure, tear_down);
  g_test_add ("/kept-overlays/litter", Fixture, NULL, set_up, test_litter, tear_down);
  g_test_add ("/kept-overlays/hold", Fixture, NULL, set_up, test_hold, tear_down);
  return g_test_run ();
}
