// SPDX-License-Identifier: GPL-2.0-or-later
// The directories STATE/spill/NAME: the overlays on disk of desktops whose RAM is full.
//
// STATE/spill belongs to the user gild, whom root does not trust, and STATE to root: everything is
// reached by name from an open directory, and no symbolic link is followed.
#pragma once

#include "config.h"

/* Open STATE/spill.  -1 on error, G_IO_ERROR_NOT_FOUND where it is missing.  */
int spill_directory_open (const Config *config, GError **error);

/* The desktops that have such a directory, as char *, in no order; none where STATE/spill is
   missing.  */
GPtrArray *spill_directory_names (const Config *config, GError **error);

/* Remove STATE/spill/NAME with the files in it.  Nothing being there is success.  Fails, with what
   is there untouched, for a NAME that no desktop can have.  */
gboolean spill_directory_remove (const Config *config, const char *name, GError **error);
