// SPDX-License-Identifier: GPL-2.0-or-later
// Names, sizes and the configuration: what is taken, what is refused.
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "qcow-backing/config.h"
#include "qcow-backing/duration.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/size.h"

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void
test_image_names (void)
{
  static const char *const BAD[] = { "",      "/",          "a",     "a/",      "/b",
                                     "../b",  "a/..",       "a/.b",  "a/-b",    "A/b",
                                     "a/B",   "a/b/c",      "a//b",  "a/b ",    " a/b",
                                     "a/b\n", "a/\xc3\xa9", "a/b@1", X63 "x/b", "a/" X63 "x" };
  static const char *const GOOD[] = { "a/b",    "0/9",       "demo/desktop",
                                      "a/b..c", "a_b.c-d/e", X63 "/" X63 };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_false (image_name_check (BAD[i], &error));
      g_assert_nonnull (error);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (GOOD); i++)
    g_assert_true (image_name_check (GOOD[i], NULL));
}

static void
test_image_refs (void)
{
  static const char *const BAD[] = { "a/b@",    "a/b@0",          "a/b@01", "a/b@-1",
                                     "a/b@1x",  "a/b@ 1",         "a/b@+1", "a/b@1@2",
                                     "a/b@1.0", "a/b@1000000000", "@1" };
  g_autofree char *image = NULL, *plain = NULL;
  guint version = 99;

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      char *none = NULL;
      g_assert_false (image_ref_parse (BAD[i], &none, &version, NULL));
      g_assert_null (none);
      g_assert_cmpuint (version, ==, 99);
    }
  g_assert_true (image_ref_parse ("a/b@999999999", &image, &version, NULL));
  g_assert_cmpstr (image, ==, "a/b");
  g_assert_cmpuint (version, ==, VERSION_MAX);
  g_assert_true (image_ref_parse ("a/b", &plain, &version, NULL));
  g_assert_cmpuint (version, ==, 0);
}

static void
test_desktop_and_channel_names (void)
{
  static const char *const BAD_DESKTOPS[] = { "", ".", "..", "a/b", "-a", "a b", "a\n", X63 "x" };
  static const char *const BAD_CHANNELS[] = { "",    "Test", "1a",
                                              "a.b", "a_b",  "abcdefghijabcdefghijabcdefghijabc" };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD_DESKTOPS); i++)
    g_assert_false (desktop_name_check (BAD_DESKTOPS[i], NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (BAD_CHANNELS); i++)
    g_assert_false (channel_name_check (BAD_CHANNELS[i], NULL));
  g_assert_true (desktop_name_check ("PC-07.office_2", NULL));
  g_assert_true (channel_name_check ("test-2", NULL));
}

static void
test_sizes (void)
{
  static const char *const BAD[] = { "",
                                     "GiB",
                                     "-1",
                                     "1 GiB",
                                     "1G",
                                     "1gib",
                                     "1.5GiB",
                                     "0x10",
                                     "1GiBx",
                                     "99999999999999999999",
                                     "18446744073709551615",
                                     "16777216TiB" };
  static const struct
  {
    const char *text;
    guint64 bytes;
    const char *shown;
  } GOOD[] = { { "0", 0, "0 B" },
               { "512", 512, "512 B" },
               { "7B", 7, "7 B" },
               { "64KiB", 64 * KiB, "64.0 KiB" },
               { "1536MiB", 1536 * MiB, "1.50 GiB" },
               { "4TiB", 4 * TiB, "4.00 TiB" },
               { "16777215TiB", 16777215 * TiB, "16777215 TiB" } };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      guint64 bytes = 42;
      g_assert_false (size_parse (BAD[i], &bytes, NULL));
      g_assert_cmpuint (bytes, ==, 42);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (GOOD); i++)
    {
      guint64 bytes;
      g_assert_true (size_parse (GOOD[i].text, &bytes, NULL));
      g_assert_cmpuint (bytes, ==, GOOD[i].bytes);
      g_autofree char *shown = size_format (bytes);
      g_assert_cmpstr (shown, ==, GOOD[i].shown);
    }
}

static void
test_durations (void)
{
  static const char *const BAD[] = { "",    "5",    "m",    "-1s",       "+1s",
                                     "5 m", "5M",   "1.5h", "0s",        "0x1s",
                                     "5mx", "5min", "367d", "31622401s", "99999999999999999999s" };
  static const struct
  {
    const char *text;
    guint seconds;
  } GOOD[] = { { "1s", 1 }, { "90s", 90 }, { "5m", 300 }, { "2h", 7200 }, { "366d", 31622400 } };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      guint seconds = 42;
      g_assert_false (duration_parse (BAD[i], &seconds, &error));
      g_assert_nonnull (error);
      g_assert_cmpuint (seconds, ==, 42);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (GOOD); i++)
    {
      guint seconds;
      g_assert_true (duration_parse (GOOD[i].text, &seconds, NULL));
      g_assert_cmpuint (seconds, ==, GOOD[i].seconds);
    }
}

/* What config_load makes of TEXT in a file.  */
static Config *
load (const char *text, GError **error)
{
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("gild-config-XXXXXX", &path, NULL);

  g_assert_true (g_close (fd, NULL));
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  Config *config = config_load (path, error);
  g_unlink (path);
  return config;
}

static void
test_config (void)
{
  static const struct
  {
    const char *text, *said; // a part of the error
  } BAD[] = {
    { "state=/x\n", "group" },
    { "[paths]\nstaet=/x\n", "[paths] staet: unknown key" },
    { "[desktop]\nstate=/x\n", "[desktop] state: unknown key" },
    { "[paths]\nstate=x\n", "[paths] state: 'x' is not an absolute path" },
    { "[nbd]\ncache-size=lots\n", "[nbd] cache-size: 'lots' is not a size" },
    { "[desktop]\nvirt-type=xen\n", "[desktop] virt-type: 'xen'" },
    { "[desktop]\nspill=auto\n", "[desktop] spill: 'auto' is not a size" },
    { "[nbd]\ncache-size=0\n", "[nbd] cache-size: 0 is out of range" },
    { "[desktop]\noverlay=4096\n", "[desktop] overlay: 4096 is out of range" },
    { "[desktop]\noverlay=16000000TiB\n", "[desktop] overlay: 16000000TiB is out of range" },
    { "[gc]\nkeep=0\n", "[gc] keep: " },
    { "[gc]\nkeep=-1\n", "[gc] keep: " },
    { "[gc]\nkeep=1000001\n", "[gc] keep: '1000001' is out of range" },
    { "[gc]\nkeep=0d\n", "[gc] keep: " },
    { "[gc]\nkeep=d\n", "[gc] keep: " },
    { "[gc]\nkeep=36501d\n", "[gc] keep: " },
    { "[gc]\nkeep=5 30d\n", "[gc] keep: " },
    { "[gc]\nkeep=4w\n", "[gc] keep: '4w' is out of range: write a number" },
    { "[gc]\nhosts=30\n", "[gc] hosts: '30' is not a number of days" },
    { "[gc]\nhosts=0d\n", "[gc] hosts: '0d' is not a number of days" },
    { "[image a]\nkeep=5\n", "[image a]: 'a' is not an image's name" },
    { "[image ]\n", "'' is not an image's name" },
    { "[image a/b@1]\n", "'a/b@1' is not an image's name" },
    { "[image a/b]\nkept=5\n", "[image a/b] kept: unknown key" },
    { "[image a/b]\nkeep=none\n", "[image a/b] keep: 'none' is out of range" },
    { "[gc]\nimage a/b=5\n", "[gc] image a/b: unknown key" },
    { "[gc]\nkeep[de]=5\n", "[gc] keep[de]: unknown key" },
    { "[paths]\nstate=\\x\\\n", "'\\x\\' is not an absolute path" },
    { "[paths]\nstate=/\xff\n", "[paths] state: the value is not UTF-8" },
    { "[network]\nlisten=server\n", "[network] listen: 'server' is not an IP address" },
    { "[network]\nport=0\n", "[network] port: " },
    { "[network]\nport=65536\n", "[network] port: " },
    { "[fetch]\nprefetch=weekly\n", "[fetch] prefetch: 'weekly' is not one of" },
    { "[fetch]\nnight=22-6\n", "[fetch] night: '22-6' is not a time" },
    { "[fetch]\nnight=24:00-06:00\n", "[fetch] night: " },
    { "[fetch]\nnight=22:00-06:60\n", "[fetch] night: " },
    { "[fetch]\nnight= 2:00-06:00x\n", "[fetch] night: " },
    { "[fetch]\ndeadline=0\n", "[fetch] deadline: " },
    { "[department a/b]\nhosts=*\n", "'a/b' is not a department's name" },
    { "[department ]\nhosts=*\n", "'' is not a department's name" },
    { "[department a]\n", "[department a]: hosts= is missing" },
    { "[department a]\nhost=*\nhosts=*\n", "[department a] host: unknown key" },
    { "[paths]\nstate=\033[2J\n", "' [2J' is not an absolute path" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (load (BAD[i].text, &error));
      g_assert_nonnull (strstr (error->message, BAD[i].said));
    }
  g_autoptr (Config) defaults = load ("", NULL);
  g_assert_cmpuint (defaults->keep.versions, ==, 5);
  g_assert_cmpuint (defaults->hosts_days, ==, 30);
  g_assert_cmpuint (defaults->overlay_bytes, >=, 512 * MiB);
  g_assert_cmpuint (defaults->overlay_bytes, <=, 4 * GiB);
  g_assert_cmpuint (defaults->cache_size_bytes, >=, 64 * MiB);
  g_assert_cmpuint (defaults->cache_size_bytes, <=, 512 * MiB);
  g_assert_cmpstr (defaults->run_dir, ==, "/run/gild");
  g_autoptr (Config) config =
      load ("[paths]\nstate=/a\nrun=/b\n[desktop]\noverlay=1GiB\nspill=0\n[gc]\nkeep=9\n", NULL);
  g_autofree char *path = config_state_path (config, "images", "x", NULL);
  g_assert_cmpstr (path, ==, "/a/images/x");
  g_assert_cmpuint (config->overlay_bytes, ==, GiB);
  g_assert_cmpuint (config->spill_bytes, ==, 0);
  g_assert_cmpuint (config->keep.versions, ==, 9);
}

static void
test_departments (void)
{
  g_autoptr (Config) config =
      load ("[department accounting]\nhosts=pc-*;srv1\n[department empty]\nhosts=\n", NULL);

  g_assert_true (config_host_may_have (config, "accounting/desktop", "pc-7"));
  g_assert_true (config_host_may_have (config, "accounting/desktop", "srv1"));
  g_assert_false (config_host_may_have (config, "accounting/desktop", "srv11"));
  g_assert_false (config_host_may_have (config, "accounting/desktop", "xpc-7"));
  g_assert_false (config_host_may_have (config, "empty/desktop", "pc-7"));
  g_assert_true (config_host_may_have (config, "account/desktop", "xpc-7"));
  g_assert_true (config_host_may_have (config, "accounting2/desktop", "xpc-7"));
}

static void
test_images (void)
{
  g_autoptr (Config) config =
      load ("[image a/days]\nkeep=30d\n[image a/empty]\n[gc]\nkeep=9\n", NULL);

  g_assert_cmpuint (config_image (config, "a/days")->keep.days, ==, 30);
  g_assert_cmpuint (config_image (config, "a/days")->keep.versions, ==, 0);
  g_assert_cmpuint (config_image (config, "a/empty")->keep.versions, ==, 9);
  g_assert_cmpuint (config_image (config, "a/other")->keep.versions, ==, 9);
  g_assert_cmpuint (config_image (config, "a/other")->keep.days, ==, 0);
}

static void
test_retention (void)
{
  enum
  {
    DAY = 24 * 3600,
    NOW = 1000 * DAY,
  };
  const gint64 UNKNOWN = G_MAXINT64;
  const struct
  {
    Retention keep;
    gint64 days[4]; // when each was made
    guint count, kept;
  } CASES[] = {
    { { .versions = 3 }, { 1, 2, 3, 4 }, 4, 3 },
    { { .versions = 3 }, { 1 }, 1, 1 },
    { { .days = 30 }, { 0 }, 0, 0 },
    { { .days = 30 }, { 1 }, 1, 1 },
    { { .days = 30 }, { 100, 200, 300, 400 }, 4, 2 },
    { { .days = 30 }, { 100, 970, 980, 1000 }, 4, 3 },
    { { .days = 30 }, { 100, 969, 980, 1000 }, 4, 2 },
    { { .days = 30 }, { 971, 972, 973, 974 }, 4, 4 },
    // Made when the clock was far ahead: as old as what was made next.
    { { .days = 30 }, { 5000, 100, 200, 999 }, 4, 2 },
    { { .days = 30 }, { 100, 5000, 999, 1000 }, 4, 3 },
    // ... and nothing was made since: it stays until something is.
    { { .days = 30 }, { 100, 5000, 5001, 5002 }, 4, 3 },
    { { .days = 30 }, { 5000, 5001, 5002, 5003 }, 4, 4 },
    // Made when the clock was far behind: no older than what was made before.
    { { .days = 30 }, { 980, 1, 2, 3 }, 4, 4 },
    { { .days = 30 }, { UNKNOWN, 100, UNKNOWN, 980 }, 4, 2 },
    { { .days = 36500 }, { 1, 2, 3, 4 }, 4, 4 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      gint64 made[4];
      for (gsize j = 0; j < G_N_ELEMENTS (made); j++)
        made[j] = CASES[i].days[j] == UNKNOWN ? UNKNOWN : CASES[i].days[j] * DAY;
      g_test_message ("case %" G_GSIZE_FORMAT, i);
      g_assert_cmpuint (retention_count (&CASES[i].keep, made, CASES[i].count, NOW), ==,
                        CASES[i].kept);
    }
}

static void
test_night (void)
{
  g_autoptr (Config) over_midnight = load ("", NULL);
  g_autoptr (Config) within = load ("[fetch]\nnight=01:30-02:00\n", NULL);

  g_assert_true (config_is_night (over_midnight, 22 * 60));
  g_assert_true (config_is_night (over_midnight, 0));
  g_assert_true (config_is_night (over_midnight, 6 * 60 - 1));
  g_assert_false (config_is_night (over_midnight, 6 * 60));
  g_assert_false (config_is_night (over_midnight, 22 * 60 - 1));
  g_assert_true (config_is_night (within, 90));
  g_assert_false (config_is_night (within, 120));
  g_assert_false (config_is_night (within, 89));
}

static void
test_config_is_missing (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (config_load ("/nonexistent/gild.conf", &error));
  g_assert_nonnull (strstr (error->message, "/nonexistent/gild.conf"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/names/images", test_image_names);
  g_test_add_func ("/names/refs", test_image_refs);
  g_test_add_func ("/names/desktops-and-channels", test_desktop_and_channel_names);
  g_test_add_func ("/sizes", test_sizes);
  g_test_add_func ("/durations", test_durations);
  g_test_add_func ("/config/values", test_config);
  g_test_add_func ("/config/departments", test_departments);
  g_test_add_func ("/config/images", test_images);
  g_test_add_func ("/config/night", test_night);
  g_test_add_func ("/config/missing", test_config_is_missing);
  g_test_add_func ("/retention", test_retention);
  return g_test_run ();
}
