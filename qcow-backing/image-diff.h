// SPDX-License-Identifier: GPL-2.0-or-later
// How two versions differ, from their indexes alone.
#pragma once

#include "image-library.h"

typedef struct
{
  guint64 changed_bytes; // of the disk, that are in chunks which differ
  guint64 zeroed_bytes;  // of those, that are zero in the second
  guint64 new_chunks;    // that the second has and the first has nowhere, each once
  guint64 new_bytes;     // of those, as they are stored
  guint64 index_chunks;  // the same of its index
  guint64 index_bytes;
  guint64 absent_chunks; // of both, that are not in this store, so that their size is not known
} ImageDiff;

/* Compare FROM with TO, which may be of another image and larger or smaller: what one disk has
   behind the other's end differs.  A host that has FROM fetches the new chunks for TO.  */
void image_diff_measure (ChunkStore *store, const ImageVersion *from, const ImageVersion *to,
                         ImageDiff *diff);
