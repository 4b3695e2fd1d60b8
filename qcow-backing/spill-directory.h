// SPDX-License-Identifier: GPL-2.0-or-later
// The directories STATE/spill/NAME: the overlays on disk of desktops whose RAM is full.
//
// They are layers, one over the other: the first lies over the overlay in RAM.  QEMU writes to the
// last; those below, also that in RAM, do not change any more.  All disks of a desktop have as
// many.
//
// STATE/spill belongs to the user gild, whom root does not trust, and STATE to root: everything is
// reached by name from an open directory, and no symbolic link is followed.
#pragma once

#include "config.h"

#define SPILL_LAYERS_MAX 16 // for each disk

/* Layer LAYER, from 1 on, of a desktop's disk: STATE/spill/NAME/TARGET.qcow2, the further ones
   TARGET.2.qcow2 and so on.  */
char *spill_layer_path (const Config *config, const char *name, const char *target, guint layer);

/* Open STATE/spill.  -1 on error, G_IO_ERROR_NOT_FOUND where it is missing.  */
int spill_directory_open (const Config *config, GError **error);

/* The desktops that have such a directory, as char *, in no order; none where STATE/spill is
   missing.  */
GPtrArray *spill_directory_names (const Config *config, GError **error);

/* Remove STATE/spill/NAME with the files in it.  Nothing being there is success.  Fails, with what
   is there untouched, for a NAME that no desktop can have.  */
gboolean spill_directory_remove (const Config *config, const char *name, GError **error);
