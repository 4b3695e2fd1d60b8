// SPDX-License-Identifier: GPL-2.0-or-later
// The plan and the progress of a staged rollout, with what hosts have told of their boots in it:
// written again they read the same.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/rollout-progress.h"

static void
check_plan (const RolloutPlan *plan)
{
  guint n = plan->percents->len;

  g_assert_true (n >= 2 && n <= ROLLOUT_STAGES_MAX);
  g_assert_cmpuint (rollout_plan_percent (plan, n - 1), ==, 100);
  g_assert_cmpuint (rollout_plan_last_serial (plan), >, plan->serial);
  g_autofree char *text = rollout_plan_to_json (plan);
  g_autoptr (RolloutPlan) again = rollout_plan_from_json (text, strlen (text), NULL);
  g_autofree char *text_again = rollout_plan_to_json (again);
  g_assert_cmpstr (text, ==, text_again);
}

static void
check_progress (const RolloutProgress *progress)
{
  g_autofree char *text = rollout_progress_to_json (progress);
  g_autoptr (RolloutProgress) again = rollout_progress_from_json (text, strlen (text), NULL);
  g_autofree char *text_again = rollout_progress_to_json (again);

  g_assert_cmpuint (progress->stage, <=, ROLLOUT_STAGES_MAX);
  g_assert_cmpstr (text, ==, text_again);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) plan_error = NULL;
  g_autoptr (GError) progress_error = NULL;
  g_autoptr (RolloutPlan) plan = rollout_plan_from_json ((const char *)data, size, &plan_error);
  g_autoptr (RolloutProgress) progress =
      rollout_progress_from_json ((const char *)data, size, &progress_error);
  gboolean is_plan = fuzz_check_result (plan, plan_error);
  gboolean is_progress = fuzz_check_result (progress, progress_error);

  g_assert_false (is_plan && is_progress);
  if (is_plan)
    check_plan (plan);
  if (is_progress)
    check_progress (progress);
  return is_plan || is_progress;
}
