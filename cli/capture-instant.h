// SPDX-License-Identifier: GPL-2.0-or-later
// The instant of a copy: from then on what a running desktop had written does not change any more.
#pragma once

#include "qcow-backing/config.h"

#define CAPTURE_REASON_SIZE 256

typedef struct
{
  guint layers;                               // that the desktop had on disk (spill-directory.h)
  gboolean is_frozen;                         // its file systems were at rest
  guint frozen_ms;                            // for how long
  char unfrozen_because[CAPTURE_REASON_SIZE]; // why they were not, "" if they were
} CaptureInstant;

/* Have the desktop NAME write to a new layer, with its file systems frozen by its guest agent where
   it has one that answers.  They are thawed whatever comes, also when this process is killed.  */
gboolean capture_instant_take (const Config *config, const char *name, CaptureInstant *instant,
                               GError **error);
