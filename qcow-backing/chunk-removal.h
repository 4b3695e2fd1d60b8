// SPDX-License-Identifier: GPL-2.0-or-later
// Removing many chunks from a store.
#pragma once

#include "chunk-store.h"

/* Remove the chunks IDS, of ChunkId, from STORE; the caller holds CHUNK_STORE_LOCK_COLLECT.  What
   that freed on the disk becomes *FREED_BYTES, also after a failure, which leaves the rest to the
   next time.  Fails with G_IO_ERROR_CANCELLED once *CANCELLED, which may be NULL, is not 0.  */
gboolean chunk_removal_run (ChunkStore *store, const GArray *ids, const gint *cancelled,
                            guint64 *freed_bytes, GError **error);
