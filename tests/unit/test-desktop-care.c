// SPDX-License-Identifier: GPL-2.0-or-later
// What a desktop needs, from pictures of it.

#include "daemon/desktop-care.h"

#include "qcow-backing/size.h"

#define IS(how, used)  .run = (how), .overlay_used = (used)*MiB, .overlay_cap = 100 * MiB
#define RUNS(used)     IS (DESKTOP_RUNS, used)
#define NO_SPACE(used) IS (DESKTOP_STUCK, used)
#define HELD           IS (DESKTOP_HELD, 90)
#define NO_IMAGE       IS (DESKTOP_STUCK, 0), MAY_SPILL, ROOM
#define ROOM           .disk_room = 50 * GiB
#define MAY_SPILL      .spill_limit = 20 * GiB
#define SPILLED(used)  MAY_SPILL, .is_spilled = TRUE, .spill_used = (used)*GiB

static const struct
{
  const char *name;
  DesktopPicture picture;
  CareAction action;
  DesktopCondition condition;
  const char *notice; // a part of it; NULL: there is none
} CASES[] = {
  { "empty", { RUNS (0), MAY_SPILL, ROOM }, CARE_NOTHING, CONDITION_GOOD, NULL },
  { "below-half", { RUNS (49), MAY_SPILL, ROOM }, CARE_NOTHING, CONDITION_GOOD, NULL },
  { "half",
    { RUNS (50), MAY_SPILL, ROOM },
    CARE_NOTHING,
    CONDITION_HALF_FULL,
    "at 85 % it goes on" },
  { "half-no-spill",
    { RUNS (50), ROOM },
    CARE_NOTHING,
    CONDITION_HALF_FULL,
    "gild spill pc1 --size" },
  { "half-no-disk", { RUNS (50), MAY_SPILL }, CARE_NOTHING, CONDITION_HALF_FULL, "its last tenth" },
  { "nearly-full",
    { RUNS (85), MAY_SPILL, ROOM },
    CARE_SPILL,
    CONDITION_NEARLY_FULL,
    "nearly full" },
  { "nearly-full-no-spill",
    { RUNS (99), ROOM },
    CARE_NOTHING,
    CONDITION_NEARLY_FULL,
    "gild spill pc1 --size" },
  { "nearly-full-no-disk",
    { RUNS (99), MAY_SPILL },
    CARE_NOTHING,
    CONDITION_NEARLY_FULL,
    "its last tenth" },
  { "spilled",
    { RUNS (90), SPILLED (1), ROOM },
    CARE_NOTHING,
    CONDITION_SPILLED,
    "1.00 GiB of 20.0" },
  { "spill-nearly-full",
    { RUNS (90), SPILLED (18), ROOM },
    CARE_NOTHING,
    CONDITION_SPILL_NEARLY_FULL,
    "gild spill pc1 --size" },
  { "spill-full", { RUNS (90), SPILLED (20), ROOM }, CARE_HOLD, CONDITION_FULL, "gild spill pc1" },
  { "spill-over-full",
    { RUNS (90), SPILLED (21), ROOM },
    CARE_HOLD,
    CONDITION_FULL,
    "gild spill pc1" },
  { "spill-no-disk", { RUNS (90), SPILLED (1) }, CARE_HOLD, CONDITION_FULL, "free some of it" },
  { "faster-than-looked",
    { NO_SPACE (100), MAY_SPILL, ROOM },
    CARE_SPILL,
    CONDITION_NEARLY_FULL,
    "nearly full" },
  { "full-no-spill",
    { NO_SPACE (100), ROOM },
    CARE_NOTHING,
    CONDITION_FULL,
    "may not use the disk" },
  { "full-no-disk",
    { NO_SPACE (100), MAY_SPILL },
    CARE_NOTHING,
    CONDITION_FULL,
    "free some of it" },
  { "full-and-room-again",
    { NO_SPACE (60), ROOM, .nbdkit_answers = TRUE },
    CARE_RESUME,
    CONDITION_HALF_FULL,
    "half full" },
  { "full-and-image-lost", { NO_SPACE (97), ROOM }, CARE_NOTHING, CONDITION_FULL, "may not use" },
  { "nearly-full-and-image-lost",
    { NO_SPACE (90), ROOM },
    CARE_NOTHING,
    CONDITION_NBDKIT_LOST,
    "nbdkit is back" },
  { "may-spill-and-image-lost",
    { NO_SPACE (90), MAY_SPILL, ROOM },
    CARE_SPILL,
    CONDITION_NEARLY_FULL,
    "nearly full" },
  { "small-cap-and-image-lost",
    { .run = DESKTOP_STUCK, .overlay_cap = 1 * MiB },
    CARE_NOTHING,
    CONDITION_NBDKIT_LOST,
    "nbdkit is back" },
  { "disk-full-and-room-again",
    { NO_SPACE (100), SPILLED (1), ROOM, .nbdkit_answers = TRUE },
    CARE_RESUME,
    CONDITION_SPILLED,
    "disk" },
  { "disk-full", { NO_SPACE (100), SPILLED (1) }, CARE_NOTHING, CONDITION_FULL, "free some of it" },
  { "held", { HELD, SPILLED (20), ROOM }, CARE_NOTHING, CONDITION_FULL, "" },
  { "held-and-allowed-more",
    { HELD, .is_spilled = TRUE, .spill_used = 20 * GiB, .spill_limit = 40 * GiB, ROOM },
    CARE_RESUME,
    CONDITION_FULL,
    "" },
  { "no-nbdkit", { NO_IMAGE }, CARE_NOTHING, CONDITION_NBDKIT_LOST, "nbdkit is back" },
  { "nbdkit-is-back", { NO_IMAGE, .nbdkit_answers = TRUE }, CARE_RESUME, CONDITION_GOOD, NULL },
  { "image-unreadable",
    { NO_IMAGE, .nbdkit_answers = TRUE, .n_resumes = 4 },
    CARE_RESUME,
    CONDITION_IMAGE_LOST,
    "gild verify" },
  { "image-unreadable-and-just-resumed",
    { RUNS (0), MAY_SPILL, ROOM, .n_resumes = 4 },
    CARE_NOTHING,
    CONDITION_IMAGE_LOST,
    "gild verify" },
  { "paused-by-a-person",
    { IS (DESKTOP_ELSE, 99), MAY_SPILL },
    CARE_NOTHING,
    CONDITION_NEARLY_FULL,
    "" },
};

static void
test_care (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  DesktopCare care = desktop_care_decide (&CASES[i].picture);
  g_autofree char *notice = desktop_care_notice ("pc1", &CASES[i].picture, care.condition);

  g_assert_cmpint (care.action, ==, CASES[i].action);
  g_assert_cmpstr (desktop_condition_name (care.condition), ==,
                   desktop_condition_name (CASES[i].condition));
  if (!CASES[i].notice)
    g_assert_null (notice);
  else
    g_assert_nonnull (g_strstr_len (notice, -1, CASES[i].notice));
}

static const struct
{
  const char *name;
  DesktopPicture picture;
  guint64 growth;
  guint period_ms;
  int at_least, at_most;
} LOOKS[] = {
  { "idle", { RUNS (60), MAY_SPILL, ROOM }, 0, 2000, 2000, 2000 },
  { "slow", { RUNS (60), MAY_SPILL, ROOM }, 1, 2000, 2000, 2000 },
  { "in-time", { RUNS (60), MAY_SPILL, ROOM }, 10 * MiB, 1000, 1000, 1250 },
  { "fast", { RUNS (60), MAY_SPILL, ROOM }, 50 * MiB, 100, 100, 100 },
  { "first-after-a-while", { RUNS (60), MAY_SPILL, ROOM }, 50 * MiB, 60000, 100, 100 },
  { "spilled", { RUNS (90), SPILLED (1), ROOM }, 10 * MiB, 1000, 2000, 2000 },
  { "spilled-little-room", { RUNS (90), SPILLED (1), .disk_room = 200 * MiB }, 0, 1000, 500, 500 },
  { "spill-nearly-used-up", { RUNS (90), SPILLED (20), ROOM }, 10 * MiB, 1000, 100, 100 },
  { "paused", { NO_SPACE (100), ROOM }, 0, 1000, 100, 500 },
  { "held", { HELD, ROOM }, 0, 1000, 100, 500 },
  { "left-alone", { IS (DESKTOP_ELSE, 90) }, 0, 1000, -1, -1 },
  { "no-cap", { .run = DESKTOP_RUNS }, G_MAXUINT64 / 2, G_MAXINT, 100, 2000 },
};

static void
test_next_look (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  int next = desktop_care_next_look (&LOOKS[i].picture, LOOKS[i].growth, LOOKS[i].period_ms);

  g_assert_cmpint (next, >=, LOOKS[i].at_least);
  g_assert_cmpint (next, <=, LOOKS[i].at_most);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_autofree char *path = g_strconcat ("/desktop-care/", CASES[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_care);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (LOOKS); i++)
    {
      g_autofree char *path = g_strconcat ("/desktop-care/next-look/", LOOKS[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_next_look);
    }
  return g_test_run ();
}
