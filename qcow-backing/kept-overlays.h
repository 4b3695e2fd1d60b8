// SPDX-License-Identifier: GPL-2.0-or-later
// The overlays that are kept: STATE/kept/NAME, what a desktop had written when it was shut down.
//
//   TARGET.N.qcow2  layer N of a disk, each over the one before; 0 was that in RAM
//   pin.json        what the desktop's pin was (pins.h), and "kept": ISO 8601 in UTC, "layers": of
//                   each disk; or, where they could not be kept, "failure": a sentence, and 0
//                   layers
//
// It is root's.  pin.json comes last and goes first: a directory without it is litter.
#pragma once

#include "pins.h"

#define KEPT_PIN "pin.json"

typedef struct
{
  Pin *pin;
  char *since;   // when the desktop was started, ISO 8601
  char *at;      // when it was shut down
  char *failure; // why it is not kept; NULL: it is
  guint layers;  // of each disk
  guint64 bytes; // of disk that they take
} KeptOverlays;
void kept_overlays_free (KeptOverlays *kept);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KeptOverlays, kept_overlays_free)

/* STATE/kept/NAME/FILE, and STATE/kept/NAME where FILE is NULL; the file of a layer in it.  */
char *kept_path (const Config *config, const char *name, const char *file);
char *kept_layer_path (const Config *config, const char *name, const char *target, guint layer);

/* The desktops of which something is kept, or could not be, sorted; none where nothing ever was. */
GPtrArray *kept_names (const Config *config, GError **error);

/* What is kept of the desktop NAME.  G_IO_ERROR_NOT_FOUND where that is nothing.  */
KeptOverlays *kept_load (const Config *config, const char *name, GError **error);

/* Whoever makes or removes what is kept of any desktop holds this lock of root's.  WAIT: until it
   is free, else G_IO_ERROR_WOULD_BLOCK.  Makes STATE/kept.  Closing the descriptor unlocks; -1 on
   error.  */
int kept_lock (const Config *config, gboolean wait, GError **error);

/* Have nobody else publish or remove what is kept of NAME, until the descriptor is closed.  -1 on
   error, G_IO_ERROR_NOT_FOUND where nothing is kept.  */
int kept_hold (const Config *config, const char *name, GError **error);

/* Remove what is kept of NAME, and what there is of it that is not whole; with the lock held.  */
gboolean kept_remove (const Config *config, const char *name, GError **error);
