// SPDX-License-Identifier: GPL-2.0-or-later
// Collecting: versions that nobody needs go, and the chunks that only they had.
#pragma once

#include "image-library.h"

typedef struct
{
  const Retention *keep; // of each image, so many stay; NULL: as it is configured for the image
  guint64 limit_bytes;   // on the disk, that those may fill the store to; 0: no limit
  gboolean dry_run;
  GHashTable *elsewhere; // IMAGE@VERSION that other hosts run; NULL: none
} GcOptions;

typedef struct
{
  GPtrArray *versions; // IMAGE@VERSION that went, sorted
  guint64 chunks;      // that went
  guint64 freed_bytes; // on the disk
} GcResult;

/* Remove from LIBRARY every version that no channel names, no desktop runs (pins), also elsewhere,
   nobody reads (a lock on its index), and that keep= does not name; with a limit, on a host that
   keeps no whole images for others, also of those that it names, oldest first, what the store has
   no room for; then the chunks that no version needs, what crashed publishes left, and damaged
   chunks that were set aside and came back since.  Where a version that stays cannot be read,
   nothing at all is removed, since its chunks are not known. Setting *CANCELLED (may be NULL) stops
   it between two files.  The caller clears RESULT.  */
gboolean gc_run (const Config *config, ImageLibrary *library, const GcOptions *options,
                 const gint *cancelled, GcResult *result, GError **error);
void gc_result_clear (GcResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GcResult, gc_result_clear)
