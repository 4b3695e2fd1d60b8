// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that come from other hosts, on their way into the store: readable at once, durable soon.
//
// They lie in STORE/.incoming under their hexadecimal ids, whole for as long as the machine runs;
// chunk_store_read looks there as well.  Each second, or each 32 MiB, they are made durable by one
// syncfs and get their names in the store, so that a name in the store keeps its promise.
#pragma once

#include "chunk-store.h"

typedef struct IncomingChunks IncomingChunks;

/* Take chunks for STORE, which outlives the result.  What a predecessor left in .incoming goes, as
   a power cut may have torn it: one process at a time has this.  */
IncomingChunks *incoming_chunks_new (ChunkStore *store, GError **error);

/* Ends the thread that stores them; what it had no time for is lost with the next start.  */
void incoming_chunks_free (IncomingChunks *incoming);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IncomingChunks, incoming_chunks_free)

/* Add the SIZE bytes at FRAME, which the caller has decoded and whose content has the id ID.  From
   now on chunk_store_read finds it.  Safe from several threads.  */
gboolean incoming_chunks_add (IncomingChunks *incoming, const ChunkId *id, const guint8 *frame,
                              gsize size, GError **error);

/* As chunk_store_has, with one look at the disk.  Safe from several threads.  */
gboolean incoming_chunks_has (IncomingChunks *incoming, const ChunkId *id);

/* Make all that was added so far part of the store, names included, before this returns; waits for
   the store's lock.  Safe from several threads.  */
gboolean incoming_chunks_flush (IncomingChunks *incoming, GError **error);
