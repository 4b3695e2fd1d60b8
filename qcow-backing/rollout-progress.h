// SPDX-License-Identifier: GPL-2.0-or-later
// How far a staged rollout is, as gildd has last written it on the publisher.
//
//   { "format": "gild-rollout-progress-1", "serial": of its plan, "stage": from 0 on,
//     "seconds": that the stage has lasted, "result": "going", "done" or "back", "why": sentence,
//     "hosts": [{ "name": "pc7", "boots": [see boot-counts.h] }] }
//
// "hosts" are the boots of the two versions that each host has told of, so that a gildd which is
// restarted still knows what hosts have said that are off by now.  Time is counted only while gildd
// runs, and by the clock that does not jump.
#pragma once

#include "boot-counts.h"
#include "rollout-plan.h"

#define ROLLOUT_GOING "going"
#define ROLLOUT_DONE  "done"
#define ROLLOUT_BACK  "back"

typedef struct
{
  guint64 serial;
  guint stage;
  guint seconds;
  char *result;
  char *why;
  GHashTable *hosts; // name -> GPtrArray of BootCounts
} RolloutProgress;

RolloutProgress *rollout_progress_new (guint64 serial);
void rollout_progress_free (RolloutProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RolloutProgress, rollout_progress_free)

/* Set what it has come to.  */
void rollout_progress_set (RolloutProgress *progress, const char *result, const char *why);

char *rollout_progress_to_json (const RolloutProgress *progress);
RolloutProgress *rollout_progress_from_json (const char *text, gsize size, GError **error);

/* That of PLAN; one that has just begun where there is none, or none that can be read.  */
RolloutProgress *rollout_progress_load (const ImageLibrary *library, const RolloutPlan *plan);
gboolean rollout_progress_save (const ImageLibrary *library, const RolloutPlan *plan,
                                const RolloutProgress *progress, GError **error);
