// SPDX-License-Identifier: GPL-2.0-or-later
// The pins: RUN/desktops/NAME.json, what each running desktop booted, which gc must leave.
//
//   { "format": "gild-pin-1", "name", "uuid", "overlay": cap in bytes, "spill": bytes,
//     "since": ISO 8601 in UTC,
//     "disks": [{ "target", "image", "channel" or null, "version", "virtual_size": bytes,
//                 "backing": URI }] }
//
// That of an attachment, which is no domain, also has "directory": its absolute path.  "keep": true
// where the overlays are to be kept when the desktop is shut down (kept-overlays.h).
#pragma once

#include <json-glib/json-glib.h>

#include "config.h"

#define PIN_FORMAT "gild-pin-1"
#define PIN_SUFFIX ".json" // of a pin's file, behind the desktop's name
#define PINS_MAX   1000    // desktops on one host

#define PIN_DIRECTORY_MAX 4096 // bytes

/* prepare and gc hold this lock while they decide, so that a version is never collected between
   being chosen and being pinned.  Closing the descriptor unlocks; -1 on error.  */
int pins_lock (const Config *config, GError **error);

/* The same lock, by root in RUN/desktops, which is open as DESKTOPS_FD: -1 if somebody has it, or
   where it was never taken.  */
int pins_try_lock (int desktops_fd);

/* The file of the pin of desktop NAME.  */
char *pin_path (const Config *config, const char *name);

/* The names of the desktops that have a pin, sorted; none where nothing ever ran.  */
GPtrArray *pins_names (const Config *config, GError **error);

/* The pin of NAME as its file has it.  G_FILE_ERROR_NOENT where there is none.  */
JsonNode *pin_load (const Config *config, const char *name, GError **error);

/* Make PIN, which has all but its "format", the pin of NAME.  */
gboolean pin_write (const Config *config, const char *name, JsonObject *pin, GError **error);

/* A pin's contents, as its file or gildd's answer has them.  */
typedef struct
{
  char *name;      // of the desktop
  char *uuid;      // of its domain
  char *directory; // where it is attached; NULL: it is a domain
  char *since;     // when it was pinned; "" where that is not said
  guint64 overlay_bytes;
  guint64 spill_bytes; // 0: it may not spill
  gboolean keep;       // its overlays, at its end
  GPtrArray *targets;  // of char *: "vda", one for each disk
  GPtrArray *images;   // of char *: "IMAGE@VERSION", in the same order
} Pin;
Pin *pin_read (JsonNode *node, GError **error);
void pin_free (Pin *pin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Pin, pin_free)

/* Whether TEXT can be an attachment's directory: an absolute path of printable UTF-8.  */
gboolean pin_directory_check (const char *text, GError **error);

/* "IMAGE@VERSION" of all pins, and of all overlays that are kept, as a set of owned strings; empty
   where nothing ever ran.  A pin that cannot be read is an error, since nobody knows what it
   holds.  */
GHashTable *pins_load (const Config *config, GError **error);
