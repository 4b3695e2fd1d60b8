// SPDX-License-Identifier: GPL-2.0-or-later
// The pins: RUN/desktops/NAME.json, what each running desktop booted, which gc must leave.
#pragma once

#include <json-glib/json-glib.h>

#include "config.h"

/* prepare and gc hold this lock while they decide, so that a version is never collected between
   being chosen and being pinned.  Closing the descriptor unlocks; -1 on error.  */
int pins_lock (const Config *config, GError **error);

/* The same lock, by root in RUN/desktops, which is open as DESKTOPS_FD: -1 if somebody has it, or
   where it was never taken.  */
int pins_try_lock (int desktops_fd);

/* A pin, as its file or gildd's answer has it.  */
typedef struct
{
  char *name;        // of the desktop
  GPtrArray *images; // of char *: "IMAGE@VERSION", one for each disk
} Pin;
Pin *pin_read (JsonNode *node, GError **error);
void pin_free (Pin *pin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Pin, pin_free)

#define PIN_FORMAT "gild-pin-1"
#define PIN_SUFFIX ".json" // of a pin's file, behind the desktop's name
#define PINS_MAX   1000    // desktops on one host

/* "IMAGE@VERSION" of all pins, as a set of owned strings; empty where nothing ever ran.  A pin that
   cannot be read is an error, since nobody knows what it holds.  */
GHashTable *pins_load (const Config *config, GError **error);
