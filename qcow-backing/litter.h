// SPDX-License-Identifier: GPL-2.0-or-later
// Litter: what publishes and collections that crashed have left.
#pragma once

#include "image-library.h"

/* Remove from LIBRARY temporary files, files of versions that have no signed record, images without
   a version and staged chunks; and write the texts beside signed records anew where they are late.
   The caller holds CHUNK_STORE_LOCK_COLLECT.  */
gboolean litter_sweep (ImageLibrary *library, GError **error);
