// SPDX-License-Identifier: GPL-2.0-or-later
// The desktops of this host: what each is to boot, and the pins that say what it has booted.
//
// A pin is the file RUN/desktops/NAME.json and nothing else: gildd keeps no copy of it, so a gildd
// that is killed and started again knows what the one before it knew.
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "qcow-backing/config.h"

/* Choose what the desktop NAME boots by BODY (see desktop-request.h), make sure that it can boot
   it, and pin it, in place of the pin that it may have had.  Returns the pin without
   its "format" (see pins.h).  On failure nothing has changed.  */
JsonObject *desktops_prepare (const Config *config, const char *name, JsonObject *body,
                              GError **error);

/* Remove the pin of NAME, if it has one.  */
gboolean desktops_release (const Config *config, const char *name, GError **error);

/* Let the desktop NAME use BODY's "size" bytes of the disk when its overlay is full; 0: none.
   G_IO_ERROR_NOT_FOUND where it has no pin.  */
gboolean desktops_set_spill (const Config *config, const char *name, JsonObject *body,
                             GError **error);

/* Have what the desktop NAME writes kept when it is shut down, or not, as BODY's "keep" says; see
   kept-overlays.h.  G_IO_ERROR_NOT_FOUND where it has no pin.  Fails where something is kept of it
   already.  */
gboolean desktops_set_keep (const Config *config, const char *name, JsonObject *body,
                            GError **error);

/* All pins, as desktops_prepare returned them, sorted by name; for one that cannot be read {
   "name", "error": sentence }.  Each with "update": [IMAGE@VERSION], of what a start now would
   boot in another version than runs.  */
JsonArray *desktops_list (const Config *config, GError **error);

/* Remove the pins of desktops that ended while no gildd ran.  */
gboolean desktops_drop_stale (const Config *config, GError **error);
