// SPDX-License-Identifier: GPL-2.0-or-later
// Verifying: is every byte of every version what was signed?
#pragma once

#include "image-library.h"
#include "progress.h"

typedef struct
{
  ChunkId id;
  gsize size;       // in the guest; 0: not known, since no version needs it
  gboolean is_kept; // an image that this host keeps whole needs it; else it is fetched again
  char *problem;
} BadChunk;

typedef struct
{
  guint versions;        // looked at
  guint64 chunks;        // different ones, hashed
  guint64 absent_chunks; // not fetched yet, of images that this host need not keep whole
  guint64 absent_bytes;  // what those are in the guest
  GPtrArray *problems;   // sentences: what is wrong with records and indexes
  GPtrArray *bad_chunks; // BadChunk *
  GPtrArray *mended;     // sentences: what repair_run mended
} VerifyResult;

/* Check IMAGE (NULL: all) at VERSION (0: all): records, indexes, and the SHA-256 of every chunk, on
   all cores; where all is checked, also the chunks that no version needs.  Changes nothing.
   Returns FALSE only if it could not look; what it found is in RESULT, which the caller clears.  */
gboolean verify_run (ImageLibrary *library, const char *image, guint version,
                     const Progress *progress, VerifyResult *result, GError **error);
void verify_result_clear (VerifyResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VerifyResult, verify_result_clear)
