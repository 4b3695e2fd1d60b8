// SPDX-License-Identifier: GPL-2.0-or-later
// The sweep: removes what desktops that are gone have left on this host.
#pragma once

#include "qcow-backing/config.h"

/* Remove the mounts, directories, pins and spilled overlays that belong to no desktop which runs or
   is about to; overlays are kept that are to be (keep.h).  Changes the working directory.  What it
   cannot decide now, it leaves for the next sweep; fails, when all else is done, with the first
   thing that cannot be removed.  */
gboolean sweep_run (const Config *config, GError **error);
