// SPDX-License-Identifier: GPL-2.0-or-later
// A staged rollout on the publisher: which version a channel comes to name, on how many hosts
// first.
//
// STATE/images/IMAGE/rollout/, on the publisher alone:
//     plan.json          { "format": "gild-rollout-1", "image", "channel", "base", "version",
//                          "serial": of the first stage's record, "percents": [5, 25, 100],
//                          "wait": seconds }
//     stage-N.json.sig   the signed channel record of the Nth stage, from 2 on
//     back-N-up.json.sig, back-N-steady.json.sig
//                        that which goes back from it, since desktops did not come up, or were
//                        reset or crashed
//     paused             is there while it is paused
//     progress.json      how far it is (rollout-progress.h)
// All records are signed when the rollout begins, so that gildd, which cannot sign, drives it: it
// can only let the rollout go on or back.  Those that go back have the highest serial, so they
// count whenever they are there.  A plan is in force as long as the channel record is one of its
// stages.
#pragma once

#include "image-library.h"

#define ROLLOUT_STAGES_MAX 20

typedef struct
{
  char *image, *channel;
  guint base, version;
  guint64 serial;
  GArray *percents; // of guint, ascending, from 2 to ROLLOUT_STAGES_MAX; the last is 100
  guint wait_seconds;
} RolloutPlan;

RolloutPlan *rollout_plan_new (const char *image, const char *channel);
void rollout_plan_free (RolloutPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RolloutPlan, rollout_plan_free)

/* Read TEXT, "5%,25%,100%", into PLAN's percents.  */
gboolean rollout_plan_parse_stages (RolloutPlan *plan, const char *text, GError **error);

char *rollout_plan_to_json (const RolloutPlan *plan);
RolloutPlan *rollout_plan_from_json (const char *text, gsize size, GError **error);

/* The plan of IMAGE; NULL without an error where it has none.  */
RolloutPlan *rollout_plan_load (const ImageLibrary *library, const char *image, GError **error);

/* The stage of PLAN that RECORD, the image's, is, counted from 0; -1 if it is none, and the rollout
   is over.  */
int rollout_plan_stage (const RolloutPlan *plan, const ChannelRecord *record);

guint rollout_plan_percent (const RolloutPlan *plan, guint stage);

/* The serial of the records that go back.  */
guint64 rollout_plan_last_serial (const RolloutPlan *plan);

/* STATE/images/IMAGE/rollout/NAME, owned by the caller; NAME may be NULL.  */
char *rollout_plan_path (const ImageLibrary *library, const char *image, const char *name);

/* The names of the signed records, owned by the caller: that of stage STAGE, from 1 on; and those
   that go back from stage STAGE, from 0 on.  */
char *rollout_plan_stage_name (guint stage);
char *rollout_plan_back_name (guint stage, gboolean were_up);

/* Whether the rollout of IMAGE is paused; and pause it, or let it go on.  */
gboolean rollout_plan_is_paused (const ImageLibrary *library, const char *image);
gboolean rollout_plan_set_paused (const ImageLibrary *library, const char *image, gboolean paused,
                                  GError **error);

/* Remove the signed records that nobody needs any more, a pause, and what a crash has left.  */
void rollout_plan_remove_records (const ImageLibrary *library, const char *image);
