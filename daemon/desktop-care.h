// SPDX-License-Identifier: GPL-2.0-or-later
// What a running desktop needs: decided from a picture of it, and nothing else.
#pragma once

#include <glib.h>

/* How the domain is.  */
typedef enum
{
  DESKTOP_RUNS,
  DESKTOP_STUCK, // paused by QEMU: an overlay takes no more, or the image cannot be read
  DESKTOP_HELD,  // paused by gildd: it has used up its disk space
  DESKTOP_ELSE,  // paused by a person, starting or ending: left alone
} DesktopRun;

typedef struct
{
  DesktopRun run;
  gboolean is_spilled;
  guint64 overlay_used, overlay_cap; // bytes
  guint64 spill_used, spill_limit;   // bytes; a limit of 0: it may not spill
  guint64 disk_room;                 // bytes that spilling may take of the disk
  gboolean nbdkit_answers;           // of use if run is DESKTOP_STUCK
  guint n_resumes;                   // since it last ran for a while
} DesktopPicture;

typedef enum
{
  CARE_NOTHING,
  CARE_SPILL,  // let it write to disk from now on
  CARE_HOLD,   // pause it
  CARE_RESUME, // let it go on
} CareAction;

typedef enum
{
  CONDITION_GOOD,
  CONDITION_HALF_FULL,
  CONDITION_NEARLY_FULL,
  CONDITION_SPILLED,
  CONDITION_SPILL_NEARLY_FULL,
  CONDITION_FULL,
  CONDITION_NBDKIT_LOST,
  CONDITION_IMAGE_LOST,
} DesktopCondition;

typedef struct
{
  CareAction action;
  DesktopCondition condition; // as long as the action has not changed it
} DesktopCare;

DesktopCare desktop_care_decide (const DesktopPicture *picture);

/* Whether it may write to disk, or go on with that.  */
gboolean desktop_care_may_spill (const DesktopPicture *picture);

/* Milliseconds until the picture may ask for something else, where GROWTH_BYTES were written to the
   overlay within the last PERIOD_MS; -1: no sooner than the domain's next event.  */
int desktop_care_next_look (const DesktopPicture *picture, guint64 growth_bytes, guint period_ms);

/* Bytes by which the files that are written to may grow before the desktop wants to be looked at;
   those in RAM from nothing, those on disk from what they are.  */
guint64 desktop_care_mark (const DesktopPicture *picture);

/* The condition's name in JSON, as "half-full".  */
const char *desktop_condition_name (DesktopCondition condition);

/* CONDITION of desktop NAME as a sentence for people that says what to do; NULL if all is good.  */
char *desktop_care_notice (const char *name, const DesktopPicture *picture,
                           DesktopCondition condition);
