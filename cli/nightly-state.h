// SPDX-License-Identifier: GPL-2.0-or-later
// What the nights have done so far, so that one that was killed is gone on with, and nothing is
// done twice.
//
// STATE/nightly/state.json, which is root's:
//
//   { "format": "gild-nightly-1", "scheduled": "2026-11-26" or null,
//     "images": [{ "image", "step": "edit" | "check" | "promote" | "ended", "before": n or null,
//                  "version": n or null }] }
//
// "scheduled" is the day of the last night that a timer began and that has ended.  "before" is what
// the channel "nightly" named before the edit; "version" is what came of that.
#pragma once

#include "qcow-backing/channel-record.h"
#include "qcow-backing/config.h"

/* Where an edit puts its version until it is promoted.  The nights' own.  */
#define NIGHTLY_CHANNEL "nightly"

typedef enum
{
  NIGHTLY_STEP_EDIT,    // begun; whether there is a version, the channel tells
  NIGHTLY_STEP_CHECK,   // there is a version, and nobody knows yet whether it comes up
  NIGHTLY_STEP_PROMOTE, // it came up
  NIGHTLY_STEP_ENDED,   // promoted, or refused, or there was nothing to do
} NightlyStep;

typedef struct
{
  char *image;
  NightlyStep step;
  guint before, version; // 0: none
} NightlyEntry;

typedef struct
{
  char *scheduled;    // "" where none ever was
  GPtrArray *entries; // of NightlyEntry *
} NightlyState;

/* The state in STATE/nightly, a new one where there is none.  One that cannot be read is an error
   that says how to begin anew.  */
NightlyState *nightly_state_load (const Config *config, GError **error);
gboolean nightly_state_save (const Config *config, const NightlyState *state, GError **error);
void nightly_state_free (NightlyState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NightlyState, nightly_state_free)

/* Its contents.  */
NightlyState *nightly_state_from_json (const char *text, gsize size, GError **error);
char *nightly_state_to_json (const NightlyState *state);

/* The entry of IMAGE, which is made (NIGHTLY_STEP_ENDED, no version) where there is none.  */
NightlyEntry *nightly_state_entry (NightlyState *state, const char *image);

/* The step that IMAGE's night begins with.  ENTRY is what is known of earlier ones, PRODUCTION and
   WAITING what the channels production and nightly name (0: nothing), PARENT what WAITING was made
   from, WAS_PROMOTED whether production has ever named WAITING.  Of a step after the edit, WAITING
   is the version to go on with.  */
NightlyStep nightly_first_step (const NightlyEntry *entry, guint production, guint waiting,
                                guint parent, gboolean was_promoted);
