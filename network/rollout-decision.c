// SPDX-License-Identifier: GPL-2.0-or-later
// What a staged rollout does next: decided from a picture of it, and nothing else.

#include "rollout-decision.h"

#define LAST_PERCENT 100

/* Whether N events in BOOTS boots are more than BEFORE in BOOTS_BEFORE, and by more than SPARE.  */
static gboolean
is_more (guint n, guint boots, guint before, guint boots_before, guint spare)
{
  guint64 per = MAX (boots_before, 1);

  return (guint64)n * per > (guint64)before * MAX (boots, 1) + spare * per;
}

static RolloutDecision
decide (RolloutAction action, char *why)
{
  return (RolloutDecision){ action, why };
}

/* Whether the new version does worse than the old one; *DECISION then.  */
static gboolean
goes_back (const RolloutPicture *picture, RolloutDecision *decision)
{
  const BootCounts *now = &picture->reached, *before = &picture->before;

  if (now->late > 0)
    {
      *decision = decide (
          ROLLOUT_NOT_UP,
          g_strdup_printf (
              "%u of %u desktops that were started on it have not come up: neither their guest agent nor their ready= text was heard of",
              now->late, now->started));
      return TRUE;
    }
  if (is_more (now->crashes, now->started, before->crashes, before->started, 0))
    {
      *decision =
          decide (ROLLOUT_UNSTEADY,
                  g_strdup_printf ("%u crashes in %u boots of it, and %u in %u before",
                                   now->crashes, now->started, before->crashes, before->started));
      return TRUE;
    }
  if (is_more (now->resets + now->gone, now->started, before->resets + before->gone,
               before->started, 1))
    {
      *decision = decide (
          ROLLOUT_UNSTEADY,
          g_strdup_printf (
              "%u resets and %u early ends in %u boots of it, and %u and %u in %u before",
              now->resets, now->gone, now->started, before->resets, before->gone, before->started));
      return TRUE;
    }
  return FALSE;
}

RolloutDecision
rollout_decide (const RolloutPicture *picture)
{
  gboolean is_last = picture->next_percent >= LAST_PERCENT;
  RolloutDecision back;

  if (goes_back (picture, &back))
    return back;
  if (picture->is_paused)
    return decide (ROLLOUT_WAIT, g_strdup ("it is paused"));
  if (picture->seconds < picture->wait_seconds)
    return decide (ROLLOUT_WAIT, g_strdup_printf ("the stage lasts for %u more seconds at least",
                                                  picture->wait_seconds - picture->seconds));
  if (picture->n_added == 0 && (!is_last || picture->reached.up > 0))
    return decide (ROLLOUT_NEXT, g_strdup ("no PC that is known is in this stage alone"));
  if (picture->n_added == 0 || picture->added.up == 0)
    return decide (ROLLOUT_WAIT, g_strdup ("no desktop of the stage has come up on it yet"));
  return decide (ROLLOUT_NEXT, g_strdup_printf ("%u of %u boots on the PCs of the stage came up",
                                                picture->added.up, picture->added.started));
}
