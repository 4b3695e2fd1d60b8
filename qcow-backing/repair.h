// SPDX-License-Identifier: GPL-2.0-or-later
// Repairing: what verify finds is mended where its bytes are still there, and set aside where not.
#pragma once

#include "verify.h"

/* Verify as verify_run does, and mend: the text of a record from what is signed, an index from its
   chunks in the store, the chunks of an index from the index, a chunk from what is left of it.  A
   chunk that cannot be mended is set aside, so that the next publish of the same data puts it back.
   RESULT says what was mended, and as problems what is still wrong and what to do; it has no bad
   chunks.  Nothing good is removed, and whenever this is killed nothing is worse than before.

   The store is locked against everybody while records, indexes and what was found bad are mended,
   and shared with publishers while all is read.  */
gboolean repair_run (ImageLibrary *library, const char *image, guint version,
                     const Progress *progress, VerifyResult *result, GError **error);
