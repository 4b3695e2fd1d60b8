// SPDX-License-Identifier: GPL-2.0-or-later
// One image's night: edit, check, promote, from where an earlier night was killed.
#pragma once

#include "gild.h"
#include "nightly-report.h"
#include "nightly-scripts.h"
#include "nightly-state.h"

/* A night that goes on.  */
typedef struct
{
  const Verb *verb;
  ImageLibrary *library;
  NightlyState *state; // which is written before and after every step
  const char *night;   // its day, "2026-11-26"
} Night;

/* Have SCRIPT's image go through NIGHT; what became of it is in RESULT.  */
void nightly_image_run (const Night *night, const NightlyScript *script, NightlyImage *result);
