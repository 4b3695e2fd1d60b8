// SPDX-License-Identifier: GPL-2.0-or-later
// The pins: RUN/desktops/NAME.json, what each running desktop booted, which gc must leave.
#pragma once

#include "config.h"

/* prepare and gc hold this lock while they decide, so that a version is never collected between being
   chosen and being pinned.  Closing the descriptor unlocks; -1 on error.  */
int pins_lock (const Config *config, GError **error);

/* "IMAGE@VERSION" of all pins, as a set of owned strings; empty where nothing ever ran.  A pin that
   cannot be read is an error, since nobody knows what it holds.  */
GHashTable *pins_load (const Config *config, GError **error);
