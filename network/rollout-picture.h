// SPDX-License-Identifier: GPL-2.0-or-later
// The picture of a staged rollout, from what hosts have told of their desktops.
#pragma once

#include "heartbeat.h"
#include "qcow-backing/rollout-progress.h"
#include "rollout-decision.h"

/* What a picture is taken of; nothing is owned.  */
typedef struct
{
  const Config *config;
  const ImageLibrary *library;
  HostList *list;
  Heartbeats *heartbeats;
  const RolloutPlan *plan;
  RolloutProgress *progress; // whose hosts become what was heard last
} RolloutView;

/* How it is in STAGE, which is not the last.  A host is waited for if it was heard of within two
   weeks, and has not told that it runs nothing of the image.  */
RolloutPicture rollout_picture_take (const RolloutView *view, guint stage);

/* The hosts with boots of the new version that were not good: " (pc3, pc7)", owned by the caller.
 */
char *rollout_picture_blame (const RolloutView *view);
