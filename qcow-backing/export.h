// SPDX-License-Identifier: GPL-2.0-or-later
// Exporting: a version becomes a qcow2 file again.
#pragma once

#include "config.h"

/* Write IMAGE@VERSION to PATH as a qcow2 that stands alone.  PATH appears when it is whole and on
   the disk; one that exists is replaced only with OVERWRITE.  */
gboolean export_run (const Config *config, const char *image, guint version, const char *path,
                     gboolean overwrite, GError **error);
