// SPDX-License-Identifier: GPL-2.0-or-later
// What is completed by itself: what desktops use and what is kept for others, when it is time.
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "library-fixture.h"
#include "network/prefetch-choice.h"
#include "network/used-images.h"
#include "qcow-backing/channel-change.h"
#include "qcow-backing/pins.h"
#include "qcow-backing/rollout-bucket.h"

typedef struct
{
  LibraryFixture site;
  HostList *list;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  static const guint8 BYTES[] = { 1, 2 };
  Host *origin = host_new ("srv", "192.0.2.100", 10890);

  library_fixture_set_up (&f->site);
  for (guint version = 1; version <= 3; version++)
    library_fixture_add_version (&f->site, "demo/desktop", version, BYTES, 2);
  library_fixture_set_channel (&f->site, "demo/desktop", 1, 2);
  library_fixture_add_version (&f->site, "demo/erp", 1, BYTES, 2);
  library_fixture_set_channel (&f->site, "demo/erp", 1, 1);
  f->list = host_list_new ("/nonexistent/hosts.json", "pc1");
  origin->is_origin = TRUE;
  host_list_put (f->list, origin);
  host_unref (origin);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  host_list_free (f->list);
  library_fixture_tear_down (&f->site);
}

/* A desktop runs CHANNEL (NULL: a version) of IMAGE.  */
static void
run_desktop (Fixture *f, const char *image, const char *channel)
{
  g_autofree char *directory = config_run_path (f->site.config, "desktops", NULL);
  JsonObject *disk = json_object_new ();
  JsonArray *disks = json_array_new ();
  g_autoptr (JsonObject) pin = json_object_new ();

  g_mkdir_with_parents (directory, 0755);
  json_object_set_string_member (disk, "target", "vda");
  json_object_set_string_member (disk, "image", image);
  if (channel)
    json_object_set_string_member (disk, "channel", channel);
  else
    json_object_set_null_member (disk, "channel");
  json_object_set_int_member (disk, "version", 1);
  json_array_add_object_element (disks, disk);
  json_object_set_array_member (pin, "disks", disks);
  g_assert_true (pin_write (f->site.config, "alice", pin, NULL));
}

static void
set_prefetch (Fixture *f, const char *when)
{
  g_free (f->site.config->prefetch);
  f->site.config->prefetch = g_strdup (when);
}

static void
assert_choices (Fixture *f, const char *expected)
{
  g_autoptr (GPtrArray) choices = prefetch_choose (f->site.config, f->site.library, f->list);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < choices->len; i++)
    {
      const PrefetchChoice *choice = choices->pdata[i];
      g_string_append_printf (text, "%s%s@%u", i ? " " : "", choice->image, choice->version);
    }
  g_assert_cmpstr (text->str, ==, expected);
}

static void
test_used (Fixture *f, gconstpointer data)
{
  g_autofree char *pin = pin_path (f->site.config, "alice");

  set_prefetch (f, "always");
  assert_choices (f, "");
  run_desktop (f, "demo/desktop", NULL);
  assert_choices (f, "");
  run_desktop (f, "demo/desktop", "production");
  assert_choices (f, "demo/desktop@2");
  g_unlink (pin); // it ended, and is remembered
  assert_choices (f, "demo/desktop@2");
  run_desktop (f, "demo/erp", "production");
  assert_choices (f, "demo/desktop@2 demo/erp@1");
  host_list_remove (f->list, "srv");
  assert_choices (f, "");
}

/* What a rollout is to bring comes before it does.  */
static void
test_rollout (Fixture *f, gconstpointer data)
{
  const ChannelChange change = { "production", 3, CHANNEL_STAGE, "alice@srv", "", 1 };
  g_autoptr (ChannelRecord) record = channel_change_begin (f->site.library, "demo/desktop", NULL);
  gboolean is_first = rollout_bucket ("demo/desktop", 3, image_library_host (f->site.library)) == 0;

  set_prefetch (f, "always");
  run_desktop (f, "demo/desktop", "production");
  g_assert_true (channel_change_apply (record, &change, NULL));
  g_assert_true (channel_change_write (f->site.library, f->site.key, record, NULL));
  assert_choices (f, is_first ? "demo/desktop@3" : "demo/desktop@2 demo/desktop@3");
}

static void
test_time (Fixture *f, gconstpointer data)
{
  run_desktop (f, "demo/desktop", "production");
  set_prefetch (f, "never");
  assert_choices (f, "");
  set_prefetch (f, "night");
  f->site.config->night = (ConfigHours){ 0, 24 * 60 };
  assert_choices (f, "demo/desktop@2");
  f->site.config->day_limit_bytes = 1000;
  g_assert_cmpuint (prefetch_limit (f->site.config), ==, 0);
  f->site.config->night = (ConfigHours){ 0, 0 };
  assert_choices (f, "");
  g_assert_cmpuint (prefetch_limit (f->site.config), ==, 1000);
}

static void
test_replica (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new ();

  set_prefetch (f, "never");
  g_ptr_array_add (images, (char *)"demo/desktop");
  g_assert_true (origin_set_replicas (f->site.config, images, NULL));
  assert_choices (f, "demo/desktop@3 demo/desktop@2 demo/desktop@1");
}

static void
test_room (Fixture *f, gconstpointer data)
{
  g_autofree char *secret = g_build_filename (f->site.directory, "site", "site.sec", NULL);

  library_fixture_add_chunk (&f->site, 1);
  g_unlink (secret);
  g_assert_true (prefetch_has_room (f->site.config, f->site.library, G_MAXINT64));
  f->site.config->store_limit_bytes = 1 << 20;
  g_assert_true (prefetch_has_room (f->site.config, f->site.library, 1 << 19));
  g_assert_false (prefetch_has_room (f->site.config, f->site.library, 1 << 20));
}

static void
test_bad_file (Fixture *f, gconstpointer data)
{
  static const char *const BAD[] = {
    "",
    "{}",
    "{\"format\":\"gild-used-1\",\"images\":7}",
    "{\"format\":\"gild-used-1\",\"images\":[7]}",
    "{\"format\":\"gild-used-1\",\"images\":[{\"image\":\"../x\",\"channel\":\"production\","
    "\"seen\":\"2099-01-01T00:00:00Z\"}]}",
  };
  g_autofree char *path = config_state_path (f->site.config, "images", "used.json", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_assert_true (g_file_set_contents (path, BAD[i], -1, NULL));
      g_test_expect_message ("gild", G_LOG_LEVEL_MESSAGE, "*is begun anew*");
      g_autoptr (GPtrArray) used = used_images_look (f->site.config, NULL);
      g_test_assert_expected_messages ();
      g_assert_cmpuint (used->len, ==, 0);
      g_autoptr (GPtrArray) again = used_images_look (f->site.config, NULL);
      g_assert_cmpuint (again->len, ==, 0);
    }
  static const char OLD[] =
      "{\"format\":\"gild-used-1\",\"images\":[{\"image\":\"demo/erp\",\"channel\":\"production\","
      "\"seen\":\"2020-01-01T00:00:00Z\"}]}";
  g_assert_true (g_file_set_contents (path, OLD, -1, NULL));
  g_autoptr (GPtrArray) used = used_images_look (f->site.config, NULL);
  g_assert_cmpuint (used->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(NAME, FUNC)                                                                            \
  g_test_add ("/prefetch-choice/" NAME, Fixture, NULL, set_up, FUNC, tear_down)
  ADD ("bad-file", test_bad_file);
  ADD ("used", test_used);
  ADD ("rollout", test_rollout);
  ADD ("time", test_time);
  ADD ("replica", test_replica);
  ADD ("room", test_room);
  return g_test_run ();
}
