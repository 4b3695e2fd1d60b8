// SPDX-License-Identifier: GPL-2.0-or-later
// Texts on a console: found in whatever pieces and colours they come, and not found where they are
// not.

#include "daemon/console-matcher.h"

#include <string.h>

static const char *const TEXTS[] = { "login:", "aab", "Kernel panic - not syncing", NULL };

static const struct
{
  const char *name, *said;
  int found;
} CASES[] = {
  { "nothing", "", -1 },
  { "other", "Starting login service...", -1 },
  { "half", "login", -1 },
  { "over-lines", "log\nin:", -1 },
  { "in-a-control-string", "\033]0;login:\007", -1 },
  { "hidden-in-parameters", "\033[login:", -1 },
  { "plain", "pc1 login: ", 0 },
  { "again", "loginlogin:", 0 },
  { "falls-back", "aaab", 1 },
  { "falls-back-twice", "aaaaaaaaaaab", 1 },
  { "the-first-one", "aab login:", 1 },
  { "coloured", "\033[0;1;31mKernel\033[0m panic\033[K - not\033[39m syncing: x", 2 },
  { "two-byte-escapes", "lo\033(Bgi\033=n\033M:", 0 },
  { "behind-a-title", "\033]0;title\033\\login:", 0 },
  { "carriage-returns", "\r\rlog\rin:\r", 0 },
  { "backspace-and-bell", "lo\bg\ain:", 0 },
  { "after-bytes-that-are-no-text", "\xff\xfe\x80login:", 0 },
  { "behind-an-endless-sequence",
    "\033]0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
    "89012345678901234567890123456789012345678901234567890123456789login:",
    0 },
  { "behind-a-sequence-cut-by-a-line", "\033]0;\nlogin:", 0 },
};

static void
test_whole (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (ConsoleMatcher) matcher = console_matcher_new (TEXTS);

  g_assert_cmpint (console_matcher_feed (matcher, CASES[i].said, strlen (CASES[i].said)), ==,
                   CASES[i].found);
}

/* Cut at every place, and into single bytes.  */
static void
test_pieces (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data), size = strlen (CASES[i].said);
  g_autoptr (ConsoleMatcher) bytewise = console_matcher_new (TEXTS);
  int found = -1;

  for (gsize cut = 0; cut <= size; cut++)
    {
      g_autoptr (ConsoleMatcher) matcher = console_matcher_new (TEXTS);
      console_matcher_feed (matcher, CASES[i].said, cut);
      g_assert_cmpint (console_matcher_feed (matcher, CASES[i].said + cut, size - cut), ==,
                       CASES[i].found);
    }
  for (gsize at = 0; at < size; at++)
    found = console_matcher_feed (bytewise, CASES[i].said + at, 1);
  g_assert_cmpint (found, ==, CASES[i].found);
}

/* NUL bytes, and that a match stays one.  */
static void
test_stays (void)
{
  g_autoptr (ConsoleMatcher) matcher = console_matcher_new (TEXTS);

  g_assert_cmpint (console_matcher_feed (matcher, "lo\0gin:", 7), ==, 0);
  g_assert_cmpint (console_matcher_feed (matcher, "aab", 3), ==, 0);
}

static void
test_none (void)
{
  static const char *const NONE[] = { NULL };
  g_autoptr (ConsoleMatcher) matcher = console_matcher_new (NONE);

  g_assert_cmpint (console_matcher_feed (matcher, "login:", 6), ==, -1);
}

static void
test_text_check (void)
{
  g_autofree char *longest = g_strnfill (CONSOLE_TEXT_MAX, 'x');
  g_autofree char *too_long = g_strnfill (CONSOLE_TEXT_MAX + 1, 'x');
  const char *const bad[] = { "", "a\nb", "\033[m", "a\x7f", "\xff", too_long };
  const char *const good[] = { "a", "login:", "bereit f\xc3\xbcr Sie", longest };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_false (console_text_check (bad[i], &error));
      g_assert_nonnull (error);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      const char *const texts[] = { good[i], NULL };
      g_autoptr (ConsoleMatcher) matcher = console_matcher_new (texts);
      g_assert_true (console_text_check (good[i], NULL));
      g_assert_cmpint (console_matcher_feed (matcher, good[i], strlen (good[i])), ==, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_autofree char *whole = g_strdup_printf ("/console-matcher/whole/%s", CASES[i].name);
      g_autofree char *pieces = g_strdup_printf ("/console-matcher/pieces/%s", CASES[i].name);
      g_test_add_data_func (whole, GSIZE_TO_POINTER (i), test_whole);
      g_test_add_data_func (pieces, GSIZE_TO_POINTER (i), test_pieces);
    }
  g_test_add_func ("/console-matcher/stays", test_stays);
  g_test_add_func ("/console-matcher/none", test_none);
  g_test_add_func ("/console-matcher/text-check", test_text_check);
  return g_test_run ();
}
