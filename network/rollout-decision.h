// SPDX-License-Identifier: GPL-2.0-or-later
// What a staged rollout does next: decided from a picture of it, and nothing else.
#pragma once

#include "qcow-backing/boot-counts.h"

typedef struct
{
  guint percent, next_percent; // of the hosts; 100: the rollout's end
  guint seconds;               // that the stage has lasted, by time that gildd ran
  guint wait_seconds;          // that it lasts at least
  gboolean is_paused;
  guint n_added;      // hosts that this stage has reached and no earlier one, as far as known
  BootCounts added;   // on those, of the new version
  BootCounts reached; // on all that the rollout has reached, of the new version
  BootCounts before;  // on all hosts, of the version that the channel named before
} RolloutPicture;

typedef enum
{
  ROLLOUT_WAIT,
  ROLLOUT_NEXT,     // on to the next stage
  ROLLOUT_NOT_UP,   // back: a desktop did not come up
  ROLLOUT_UNSTEADY, // back: more of them were reset, crashed or ended early than before
} RolloutAction;

typedef struct
{
  RolloutAction action;
  char *why; // a sentence for people, owned by the caller
} RolloutDecision;

/* A desktop that should be up and is not, or one more crash for each boot than before, is one too
   many.  A reset, or an end before it was up, may be a person's doing: one more than before is
   passed over.  A pause stops a rollout from going on, and not from going back.  */
RolloutDecision rollout_decide (const RolloutPicture *picture);
