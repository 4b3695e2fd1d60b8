// SPDX-License-Identifier: GPL-2.0-or-later
// A night: which step it begins with, its state's file, its page, and children that hang or say too
// much.
#include <glib.h>
#include <string.h>

#include "cli/bounded-child.h"
#include "cli/nightly-report.h"
#include "cli/nightly-state.h"

static void
test_bad_states (void)
{
#define ENTRY(members)                                                                             \
  "{\"format\": \"gild-nightly-1\", \"scheduled\": null, \"images\": [" members "]}"
  static const char *const BAD[] = {
    "",
    "[]",
    "{\"format\": \"gild-nightly-2\", \"scheduled\": null, \"images\": []}",
    "{\"format\": \"gild-nightly-1\", \"images\": []}",
    "{\"format\": \"gild-nightly-1\", \"scheduled\": 7, \"images\": []}",
    "{\"format\": \"gild-nightly-1\", \"scheduled\": \"2026-11-26 \", \"images\": []}",
    "{\"format\": \"gild-nightly-1\", \"scheduled\": null}",
    "{\"format\": \"gild-nightly-1\", \"scheduled\": null, \"images\": {}}",
    ENTRY ("7"),
    ENTRY ("{}"),
    ENTRY ("{\"image\": \"a\", \"step\": \"edit\", \"before\": 1, \"version\": 1}"),
    ENTRY ("{\"image\": \"a/b\", \"step\": \"sleep\", \"before\": 1, \"version\": 1}"),
    ENTRY ("{\"image\": \"a/b\", \"step\": \"edit\", \"before\": 0, \"version\": 1}"),
    ENTRY ("{\"image\": \"a/b\", \"step\": \"edit\", \"before\": 1, \"version\": -1}"),
    ENTRY ("{\"image\": \"a/b\", \"step\": \"edit\", \"before\": 1, \"version\": 1000000000}"),
    ENTRY ("{\"image\": \"a/b\", \"step\": \"edit\", \"before\": 1}"),
    ENTRY ("{\"image\": \"a/b\", \"step\": \"edit\", \"before\": 1, \"version\": null},"
           "{\"image\": \"a/b\", \"step\": \"edit\", \"before\": 1, \"version\": null}"),
  };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (nightly_state_from_json (BAD[i], strlen (BAD[i]), &error));
      g_assert_nonnull (error);
    }
}

static void
test_state (void)
{
  static const char *const EMPTY =
      "{\"format\": \"gild-nightly-1\", \"scheduled\": null, \"images\": []}";
  g_autoptr (NightlyState) state = nightly_state_from_json (EMPTY, strlen (EMPTY), NULL);
  NightlyEntry *entry = nightly_state_entry (state, "a/b");

  g_assert_cmpstr (state->scheduled, ==, "");
  g_assert_cmpint (entry->step, ==, NIGHTLY_STEP_ENDED);
  g_assert_true (nightly_state_entry (state, "a/b") == entry);
  *entry = (NightlyEntry){ entry->image, NIGHTLY_STEP_PROMOTE, 0, 7 };
  g_free (state->scheduled);
  state->scheduled = g_strdup ("2026-11-26");
  g_autofree char *text = nightly_state_to_json (state);
  g_autoptr (NightlyState) again = nightly_state_from_json (text, strlen (text), NULL);
  g_assert_cmpstr (again->scheduled, ==, "2026-11-26");
  g_assert_cmpuint (again->entries->len, ==, 1);
  entry = nightly_state_entry (again, "a/b");
  g_assert_cmpint (entry->step, ==, NIGHTLY_STEP_PROMOTE);
  g_assert_cmpuint (entry->before, ==, 0);
  g_assert_cmpuint (entry->version, ==, 7);
}

/* Production is 5 everywhere.  */
static void
test_first_step (void)
{
  static const struct
  {
    const char *what;
    NightlyEntry entry;
    guint waiting, parent;
    gboolean was_promoted;
    NightlyStep step;
  } CASES[] = {
    { "the first night", { NULL, NIGHTLY_STEP_ENDED, 0, 0 }, 0, 0, FALSE, NIGHTLY_STEP_EDIT },
    { "killed in the edit", { NULL, NIGHTLY_STEP_EDIT, 0, 0 }, 0, 0, FALSE, NIGHTLY_STEP_EDIT },
    { "the same, something older waiting",
      { NULL, NIGHTLY_STEP_EDIT, 4, 0 },
      4,
      3,
      FALSE,
      NIGHTLY_STEP_EDIT },
    { "the same, what was refused waiting",
      { NULL, NIGHTLY_STEP_EDIT, 6, 0 },
      6,
      5,
      FALSE,
      NIGHTLY_STEP_EDIT },
    { "killed when the edit had published",
      { NULL, NIGHTLY_STEP_EDIT, 4, 0 },
      6,
      5,
      FALSE,
      NIGHTLY_STEP_CHECK },
    { "killed in the check", { NULL, NIGHTLY_STEP_CHECK, 4, 6 }, 6, 5, FALSE, NIGHTLY_STEP_CHECK },
    { "killed in the promotion",
      { NULL, NIGHTLY_STEP_PROMOTE, 4, 6 },
      6,
      5,
      FALSE,
      NIGHTLY_STEP_PROMOTE },
    { "killed when it was promoted",
      { NULL, NIGHTLY_STEP_PROMOTE, 4, 5 },
      5,
      4,
      TRUE,
      NIGHTLY_STEP_EDIT },
    { "the same, and then rolled back",
      { NULL, NIGHTLY_STEP_PROMOTE, 4, 6 },
      6,
      5,
      TRUE,
      NIGHTLY_STEP_EDIT },
    { "refused", { NULL, NIGHTLY_STEP_ENDED, 4, 6 }, 6, 5, FALSE, NIGHTLY_STEP_EDIT },
    { "promoted", { NULL, NIGHTLY_STEP_ENDED, 4, 5 }, 5, 4, TRUE, NIGHTLY_STEP_EDIT },
    { "another than the one that was checked",
      { NULL, NIGHTLY_STEP_PROMOTE, 4, 6 },
      7,
      5,
      FALSE,
      NIGHTLY_STEP_CHECK },
    { "the state is lost", { NULL, NIGHTLY_STEP_ENDED, 0, 0 }, 6, 5, FALSE, NIGHTLY_STEP_CHECK },
    { "production went on", { NULL, NIGHTLY_STEP_CHECK, 4, 6 }, 6, 4, FALSE, NIGHTLY_STEP_EDIT },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_test_message ("%s", CASES[i].what);
      g_assert_cmpint (nightly_first_step (&CASES[i].entry, 5, CASES[i].waiting, CASES[i].parent,
                                           CASES[i].was_promoted),
                       ==, CASES[i].step);
    }
}

static NightlyReport *
new_report (void)
{
  NightlyReport *report = nightly_report_new ("2026-11-26");

  report->host = g_strdup ("srv1");
  report->begin = g_strdup ("02:00");
  report->end = g_strdup ("02:14");
  return report;
}

static void
test_report (void)
{
  g_autoptr (NightlyReport) report = new_report ();
  NightlyImage *image = nightly_report_add (report, "a/b");

  *image = (NightlyImage){ .image = image->image,
                           .outcome = NIGHTLY_PROMOTED,
                           .production = 7,
                           .version = 8,
                           .new_bytes = 3 << 20,
                           .up_seconds = 14.2,
                           .hosts = 3,
                           .hosts_ready = 2 };
  image = nightly_report_add (report, "a/c");
  image->outcome = NIGHTLY_NOT_UP;
  image->version = 4;
  image->reason = g_strdup ("the guest has stopped");
  image->screenshot = g_strdup ("/x/screen.png");
  report->gc = g_strdup ("1 versions removed, 8 MiB freed");
  g_assert_false (nightly_report_has_failed (report));
  g_assert_true (nightly_report_has_refused (report));
  g_autofree char *page = nightly_report_render (report);
  g_assert_cmpstr (
      page, ==,
      "gild nightly 2026-11-26 on srv1, 02:00 to 02:14: 1 refused by the check, 1 new in production\n"
      "a/b: @8 is production now; before it was @7\n"
      "    new: 3.00 MiB\n"
      "    checked: up after 14 s\n"
      "    offline-ready: on 2 of 3 hosts\n"
      "a/c: NOT UPDATED: @4 did not come up: the guest has stopped\n"
      "    screenshot: /x/screen.png\n"
      "gc: 1 versions removed, 8 MiB freed\n");
}

/* Every outcome has its words, and those that are failures are.  */
static void
test_outcomes (void)
{
  for (NightlyOutcome outcome = 0; outcome <= NIGHTLY_PROMOTE_FAILED; outcome++)
    {
      g_autoptr (NightlyReport) report = new_report ();
      nightly_report_add (report, "a/b")->outcome = outcome;
      g_autofree char *page = nightly_report_render (report);
      g_assert_nonnull (strstr (page, ": 1 "));
      g_assert_nonnull (strstr (page, "\na/b: "));
      g_assert_cmpint (nightly_report_has_failed (report), ==, outcome >= NIGHTLY_NOT_CHECKED);
    }
}

/* What a script says can be long, and do things to a terminal.  */
static void
test_hostile_output (void)
{
  g_autoptr (NightlyReport) report = new_report ();
  NightlyImage *image = nightly_report_add (report, "a/b");
  g_autoptr (GString) said = g_string_new ("first\n");
  gsize lines = 0;

  image->outcome = NIGHTLY_EDIT_FAILED;
  for (int i = 0; i < 1000; i++)
    g_string_append_printf (said, "\n\r\n%d \033[2J\a\xff\n", i);
  for (int i = 0; i < 100000; i++)
    g_string_append_c (said, 'x');
  image->said = g_string_free (g_steal_pointer (&said), FALSE);
  g_autofree char *page = nightly_report_render (report);
  for (const char *c = page; *c; c++)
    {
      g_assert_true (*c == '\n' || (guchar)*c >= ' ');
      lines += *c == '\n';
    }
  g_assert_cmpuint (lines, ==, 22);
  g_assert_cmpuint (strlen (page), <, 22 * 250);
  g_assert_true (g_utf8_validate (page, -1, NULL));
  g_assert_nonnull (strstr (page, "    | 999 "));
  g_assert_null (strstr (page, "first"));
}

/* SCRIPT for at most SECONDS, with INPUT.  */
static void
run_shell (const char *script, const char *input, guint seconds, BoundedChild *child)
{
  const char *argv[] = { "sh", "-c", script, NULL };

  g_assert_true (bounded_child_execute ((char **)argv, input, seconds, child, NULL));
}

static void
test_children (void)
{
  const char *none_argv[] = { "/nonexistent", NULL };
  g_auto (BoundedChild) child = { 0 }, none = { 0 }, killed = { 0 }, leaving = { 0 };

  run_shell ("cat; echo said >&2; exit 7", "input", 30, &child);
  g_assert_cmpint (child.status, ==, 7);
  g_assert_false (child.timed_out);
  g_assert_cmpstr (child.output, ==, "input");
  g_assert_cmpstr (child.said, ==, "said\n");
  g_assert_true (bounded_child_execute ((char **)none_argv, NULL, 30, &none, NULL));
  g_assert_cmpint (none.status, ==, 127);
  g_assert_nonnull (strstr (none.said, "/nonexistent: No such file"));
  run_shell ("kill -KILL $$", NULL, 30, &killed);
  g_assert_cmpint (killed.status, ==, 128 + 9);
  // What it leaves running has its streams, and is not waited for.
  run_shell ("sleep 100 & exit 3", NULL, 90, &leaving);
  g_assert_cmpint (leaving.status, ==, 3);
  g_assert_false (leaving.timed_out);
}

static void
test_much_output (void)
{
  g_auto (BoundedChild) child = { 0 };

  run_shell ("head -c 5000000 /dev/zero; yes | head -c 5000000 >&2; echo last >&2", NULL, 60,
             &child);
  g_assert_cmpuint (strlen (child.output), ==, 1 << 20);
  g_assert_cmpuint (strlen (child.said), ==, 16 << 10);
  g_assert_true (g_str_has_suffix (child.said, "y\nlast\n"));
}

static void
test_hanging_child (void)
{
  g_auto (BoundedChild) child = { 0 };
  gint64 begin_us = g_get_monotonic_time ();

  run_shell ("echo begun; sleep 100 | cat", NULL, 2, &child);
  g_assert_true (child.timed_out);
  g_assert_cmpint (child.status, ==, 128 + 15);
  g_assert_cmpstr (child.output, ==, "begun\n");
  g_assert_cmpint (g_get_monotonic_time () - begin_us, <, 25 * G_USEC_PER_SEC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nightly/bad-states", test_bad_states);
  g_test_add_func ("/nightly/state", test_state);
  g_test_add_func ("/nightly/first-step", test_first_step);
  g_test_add_func ("/nightly/report", test_report);
  g_test_add_func ("/nightly/outcomes", test_outcomes);
  g_test_add_func ("/nightly/hostile-output", test_hostile_output);
  g_test_add_func ("/nightly/children", test_children);
  g_test_add_func ("/nightly/much-output", test_much_output);
  g_test_add_func ("/nightly/hanging-child", test_hanging_child);
  return g_test_run ();
}
