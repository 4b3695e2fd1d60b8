// SPDX-License-Identifier: GPL-2.0-or-later
// Staged rollouts: what comes next, plans, and what is counted of boots.

#include <glib/gstdio.h>
#include <string.h>

#include "daemon/boot-log.h"
#include "network/rollout-decision.h"
#include "qcow-backing/rollout-progress.h"
#include "tests/unit/remove-tree.h"

/* STARTED, UP, LATE, GONE, RESETS, CRASHES.  */
#define BOOTS(...)                                                                                 \
  {                                                                                                \
    (char *)"", __VA_ARGS__                                                                        \
  }
#define NONE BOOTS (0, 0, 0, 0, 0, 0)

static void
test_decisions (void)
{
  static const struct
  {
    const char *what;
    RolloutPicture picture;
    RolloutAction action;
  } CASES[] = {
    { "a stage that lasts",
      { 5, 25, 9, 10, FALSE, 1, BOOTS (1, 1), BOOTS (1, 1), NONE },
      ROLLOUT_WAIT },
    { "one that has lasted",
      { 5, 25, 10, 10, FALSE, 1, BOOTS (1, 1), BOOTS (1, 1), NONE },
      ROLLOUT_NEXT },
    { "nobody has started one",
      { 5, 25, 999, 10, FALSE, 3, NONE, NONE, BOOTS (50, 50) },
      ROLLOUT_WAIT },
    { "only an earlier stage's are up",
      { 25, 100, 999, 10, FALSE, 3, NONE, BOOTS (4, 4), NONE },
      ROLLOUT_WAIT },
    { "one that boots", { 5, 25, 10, 10, FALSE, 1, BOOTS (1), BOOTS (1), NONE }, ROLLOUT_WAIT },
    { "one of two that boot is up",
      { 5, 25, 10, 10, FALSE, 2, BOOTS (2, 1), BOOTS (2, 1), NONE },
      ROLLOUT_NEXT },
    { "it is paused", { 5, 25, 10, 10, TRUE, 1, BOOTS (1, 1), BOOTS (1, 1), NONE }, ROLLOUT_WAIT },
    { "no host is in the stage", { 5, 25, 10, 10, FALSE, 0, NONE, NONE, NONE }, ROLLOUT_NEXT },
    { "nor was in any, and all are next",
      { 25, 100, 10, 10, FALSE, 0, NONE, NONE, NONE },
      ROLLOUT_WAIT },
    { "or one was", { 25, 100, 10, 10, FALSE, 0, NONE, BOOTS (2, 2), NONE }, ROLLOUT_NEXT },
    { "one is late, at once",
      { 5, 25, 1, 10, FALSE, 2, BOOTS (9, 8, 1), BOOTS (9, 8, 1), NONE },
      ROLLOUT_NOT_UP },
    { "and while it is paused",
      { 5, 25, 1, 10, TRUE, 2, BOOTS (9, 8, 1), BOOTS (9, 8, 1), NONE },
      ROLLOUT_NOT_UP },
    { "one of an earlier stage",
      { 25, 100, 1, 10, FALSE, 2, NONE, BOOTS (9, 8, 1), NONE },
      ROLLOUT_NOT_UP },
    { "a crash where there was none",
      { 5, 25, 1, 10, FALSE, 1, BOOTS (3, 3, 0, 0, 0, 1), BOOTS (3, 3, 0, 0, 0, 1),
        BOOTS (50, 50) },
      ROLLOUT_UNSTEADY },
    { "a crash where nobody knows",
      { 5, 25, 1, 10, FALSE, 1, BOOTS (3, 3, 0, 0, 0, 1), BOOTS (3, 3, 0, 0, 0, 1), NONE },
      ROLLOUT_UNSTEADY },
    { "as many as before",
      { 5, 25, 10, 10, FALSE, 1, BOOTS (10, 10, 0, 0, 0, 1), BOOTS (10, 10, 0, 0, 0, 1),
        BOOTS (50, 50, 0, 0, 0, 5) },
      ROLLOUT_NEXT },
    { "more than before",
      { 5, 25, 10, 10, FALSE, 1, BOOTS (10, 10, 0, 0, 0, 2), BOOTS (10, 10, 0, 0, 0, 2),
        BOOTS (50, 50, 0, 0, 0, 5) },
      ROLLOUT_UNSTEADY },
    { "a reset may be a person's",
      { 5, 25, 10, 10, FALSE, 1, BOOTS (1, 1, 0, 0, 1), BOOTS (1, 1, 0, 0, 1), BOOTS (50, 50) },
      ROLLOUT_NEXT },
    { "two are not",
      { 5, 25, 10, 10, FALSE, 1, BOOTS (1, 1, 0, 0, 2), BOOTS (1, 1, 0, 0, 2), BOOTS (50, 50) },
      ROLLOUT_UNSTEADY },
    { "unless they always were",
      { 5, 25, 10, 10, FALSE, 1, BOOTS (1, 1, 0, 0, 2), BOOTS (1, 1, 0, 0, 2),
        BOOTS (50, 50, 0, 0, 50) },
      ROLLOUT_NEXT },
    { "early ends",
      { 5, 25, 1, 10, FALSE, 1, BOOTS (2, 0, 0, 2), BOOTS (2, 0, 0, 2), BOOTS (50, 50) },
      ROLLOUT_UNSTEADY },
    { "numbers that could wrap",
      { 5, 25, 1, 10, FALSE, 1, NONE, BOOTS (BOOT_COUNTS_HIGHEST, 1, 0, 0, BOOT_COUNTS_HIGHEST),
        BOOTS (BOOT_COUNTS_HIGHEST, 1, 0, 0, 1) },
      ROLLOUT_UNSTEADY },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      RolloutDecision decision = rollout_decide (&CASES[i].picture);
      g_test_message ("%s: %s", CASES[i].what, decision.why);
      g_assert_cmpint (decision.action, ==, CASES[i].action);
      g_assert_true (decision.why && *decision.why);
      g_free (decision.why);
    }
}

static void
test_stages (void)
{
  static const char *const BAD[] = { "",
                                     "5",
                                     "100",
                                     "5,25",
                                     "25,5,100",
                                     "5,5,100",
                                     "0,100",
                                     "5,101",
                                     "5%,x,100%",
                                     "5%%,100%",
                                     "-5,100",
                                     "5,,100",
                                     "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,100" };
  static const char *const GOOD[] = { "5%,25%,100%", "1,100", "5,100%" };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (RolloutPlan) plan = rollout_plan_new ("a/b", "production");
      g_autoptr (GError) error = NULL;
      g_assert_false (rollout_plan_parse_stages (plan, BAD[i], &error));
      g_assert_nonnull (error);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (GOOD); i++)
    {
      g_autoptr (RolloutPlan) plan = rollout_plan_new ("a/b", "production");
      g_assert_true (rollout_plan_parse_stages (plan, GOOD[i], NULL));
    }
}

#define PLAN(serial, percents)                                                                     \
  "{\"format\":\"gild-rollout-1\",\"image\":\"a/b\",\"channel\":\"production\",\"base\":7,"        \
  "\"version\":8,\"serial\":" serial ",\"percents\":" percents ",\"wait\":60}"

static void
test_plans (void)
{
  static const char *const BAD[] = {
    "{}",
    PLAN ("0", "[5,100]"),
    PLAN ("9", "[]"),
    PLAN ("9", "[5,101]"),
    PLAN ("9", "[5,\"100\"]"),
    PLAN ("9", "[5,-1,100]"),
    PLAN ("9223372036854775807", "[5,100]"),
  };
  static const char GOOD[] = PLAN ("9", "[5,25,100]");

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    g_assert_null (rollout_plan_from_json (BAD[i], strlen (BAD[i]), NULL));
  g_autoptr (RolloutPlan) read = rollout_plan_from_json (GOOD, strlen (GOOD), NULL);
  g_autofree char *text = rollout_plan_to_json (read);
  g_autoptr (RolloutPlan) plan = rollout_plan_from_json (text, strlen (text), NULL);
  g_assert_cmpuint (rollout_plan_percent (plan, 1), ==, 25);
  g_assert_cmpuint (rollout_plan_last_serial (plan), ==, 12);

  g_autoptr (ChannelRecord) record = channel_record_new ("a/b");
  record->serial = 10;
  g_assert_cmpint (rollout_plan_stage (plan, record), ==, -1);
  channel_record_set_rollout (record, "production", 8, 25);
  g_assert_cmpint (rollout_plan_stage (plan, record), ==, 1);
  record->serial = 12;
  g_assert_cmpint (rollout_plan_stage (plan, record), ==, -1);
  record->serial = 8;
  g_assert_cmpint (rollout_plan_stage (plan, record), ==, -1);
}

static void
test_progress (void)
{
  static const char *const BAD[] = {
    "{}",
    "{\"format\":\"gild-rollout-progress-1\",\"serial\":9,\"stage\":1,\"seconds\":3,\"result\":\"going\",\"why\":\"\",\"hosts\":[1]}",
    "{\"format\":\"gild-rollout-progress-1\",\"serial\":9,\"stage\":1,\"seconds\":3,\"result\":\"going\",\"why\":\"\",\"hosts\":[{\"name\":\"../x\",\"boots\":[]}]}",
    "{\"format\":\"gild-rollout-progress-1\",\"serial\":9,\"stage\":1,\"seconds\":3,\"result\":\"going\",\"why\":\"\",\"hosts\":[{\"name\":\"x\",\"boots\":[{\"ref\":\"a/b\"}]}]}",
  };
  g_autoptr (RolloutProgress) progress = rollout_progress_new (9);
  GPtrArray *boots = boot_counts_list_new ();
  BootCounts *counts = boot_counts_new ("a/b@8");

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    g_assert_null (rollout_progress_from_json (BAD[i], strlen (BAD[i]), NULL));
  counts->started = 3;
  counts->late = 1;
  g_ptr_array_add (boots, counts);
  g_hash_table_replace (progress->hosts, g_strdup ("pc1"), boots);
  progress->stage = 1;
  progress->seconds = 77;
  rollout_progress_set (progress, ROLLOUT_BACK, "since \"it\"\nis so");
  g_autofree char *text = rollout_progress_to_json (progress);
  g_autoptr (RolloutProgress) again = rollout_progress_from_json (text, strlen (text), NULL);
  g_assert_cmpuint (again->serial, ==, 9);
  g_assert_cmpuint (again->stage, ==, 1);
  g_assert_cmpuint (again->seconds, ==, 77);
  g_assert_cmpstr (again->result, ==, "back");
  g_assert_cmpstr (again->why, ==, "since \"it\"\nis so");
  const BootCounts *read = boot_counts_find (g_hash_table_lookup (again->hosts, "pc1"), "a/b@8");
  g_assert_cmpuint (read->started, ==, 3);
  g_assert_cmpuint (read->late, ==, 1);
}

/* A log in a directory of its own.  */
typedef struct
{
  char *directory;
  Config config;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("gild-rollout-XXXXXX", NULL);
  g_autofree char *images = g_build_filename (f->directory, "images", NULL);
  f->config = (Config){ .state_dir = f->directory };
  g_assert_cmpint (g_mkdir (images, 0755), ==, 0);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  remove_tree (f->directory);
  g_free (f->directory);
}

static void
start (BootLog *log, const char *name, const char *since, const char *ref)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new ();
  const Pin pin = { .name = (char *)name, .since = (char *)since, .images = images };

  g_ptr_array_add (images, (char *)ref);
  g_ptr_array_add (images, (char *)ref); // a second disk of the same image
  boot_log_start (log, &pin);
}

/* What the file has of REF, as "started up late gone resets crashes".  */
static char *
counts_of (const Fixture *f, const char *ref)
{
  g_autoptr (GPtrArray) list = boot_counts_load (&f->config);
  const BootCounts *counts = boot_counts_find (list, ref);

  return counts ? g_strdup_printf ("%u %u %u %u %u %u", counts->started, counts->up, counts->late,
                                   counts->gone, counts->resets, counts->crashes)
                : g_strdup ("none");
}

static void
assert_counts (const Fixture *f, const char *expected)
{
  g_autofree char *actual = counts_of (f, "a/b@1");

  g_assert_cmpstr (actual, ==, expected);
}

static void
test_log (Fixture *f, gconstpointer data)
{
  BootLog *log = boot_log_open (&f->config);
  g_autoptr (GHashTable) nobody = g_hash_table_new (g_str_hash, g_str_equal);

  assert_counts (f, "none");
  start (log, "pc1", "monday", "a/b@1");
  assert_counts (f, "1 0 0 0 0 0");
  boot_log_set (log, "pc1", BOOT_UP);
  boot_log_reset (log, "pc1");
  boot_log_reset (log, "pc9");
  assert_counts (f, "1 1 0 0 1 0");
  start (log, "pc2", "monday", "a/b@1");
  boot_log_set (log, "pc2", BOOT_LATE);
  assert_counts (f, "2 1 1 0 1 0");
  boot_log_free (log); // gildd is killed

  log = boot_log_open (&f->config);
  start (log, "pc1", "monday", "a/b@1");
  start (log, "pc2", "monday", "a/b@1");
  assert_counts (f, "2 1 1 0 1 0");
  boot_log_set (log, "pc2", BOOT_UP);
  assert_counts (f, "2 2 0 0 1 0");
  boot_log_end (log, "pc2", TRUE);
  start (log, "pc2", "tuesday", "a/b@1");
  boot_log_end (log, "pc2", FALSE);
  assert_counts (f, "3 2 0 1 1 1");
  start (log, "pc3", "tuesday", "a/b@1");
  boot_log_forget (log, "pc3");
  boot_log_end (log, "pc3", FALSE);
  assert_counts (f, "3 2 0 1 1 1");
  start (log, "pc4", "tuesday", "a/b@1");
  boot_log_set (log, "pc4", BOOT_LATE);
  boot_log_keep (log, nobody);
  assert_counts (f, "4 2 0 2 1 1");
  boot_log_free (log);
}

/* Versions that have not booted for long go.  */
static void
test_long_log (Fixture *f, gconstpointer data)
{
  BootLog *log = boot_log_open (&f->config);

  for (guint i = 1; i <= BOOT_COUNTS_MAX + 5; i++)
    {
      g_autofree char *ref = g_strdup_printf ("a/b@%u", i);
      start (log, "pc1", ref, ref);
      start (log, "pc2", "always", "a/b@1");
    }
  g_autofree char *gone = counts_of (f, "a/b@3"), *there = counts_of (f, "a/b@50");
  g_assert_cmpstr (gone, ==, "none");
  g_assert_cmpstr (there, ==, "1 0 0 1 0 0");
  boot_log_free (log);
}

static void
test_damaged_log (Fixture *f, gconstpointer data)
{
  static const char *const TEXTS[] = {
    "", "[]", "{\"format\":\"gild-boots-1\",\"versions\":[],\"running\":[1]}",
    "{\"format\":\"gild-boots-1\",\"versions\":[{\"ref\":\"a/b@1\",\"started\":-1}],\"running\":[]}"
  };
  g_autofree char *path = g_build_filename (f->directory, "images", "boots.json", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (TEXTS); i++)
    {
      g_assert_true (g_file_set_contents (path, TEXTS[i], -1, NULL));
      BootLog *log = boot_log_open (&f->config);
      start (log, "pc1", "monday", "a/b@1");
      assert_counts (f, "1 0 0 0 0 0");
      boot_log_free (log);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rollout/decisions", test_decisions);
  g_test_add_func ("/rollout/stages", test_stages);
  g_test_add_func ("/rollout/plans", test_plans);
  g_test_add_func ("/rollout/progress", test_progress);
  g_test_add ("/boot-log/counts", Fixture, NULL, set_up, test_log, tear_down);
  g_test_add ("/boot-log/long", Fixture, NULL, set_up, test_long_log, tear_down);
  g_test_add ("/boot-log/damaged", Fixture, NULL, set_up, test_damaged_log, tear_down);
  return g_test_run ();
}
