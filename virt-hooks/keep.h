// SPDX-License-Identifier: GPL-2.0-or-later
// Keeping: what a desktop has written goes to STATE/kept at its end, if `gild keep` asked for that.
#pragma once

#include "qcow-backing/config.h"

/* Keep the overlays of the desktop NAME, which does not run any more, if its pin says so and they
   are still there; what it had in RAM is copied to the disk, and nothing of it is removed.  Killed
   at any point, it leaves all of it for the next call.  Where they cannot be kept, that is what is
   kept of it, and the error.  */
gboolean keep_run (const Config *config, const char *name, GError **error);

/* Remove what a keep_run has left that was killed, and that nobody will go on with.  */
void keep_sweep (const Config *config);
