// SPDX-License-Identifier: GPL-2.0-or-later
// Many chunks that one thread wants and waits for.
#pragma once

#include "chunk-fetcher.h"

typedef struct ChunkBatch ChunkBatch;

/* Chunks are wanted of FETCHER with these URGENCY and DEADLINE_SECONDS, WINDOW of them at a time.
   Setting *CANCELLED ends every wait within a quarter of a second.  The result is for one thread;
   both arguments outlive it.  */
ChunkBatch *chunk_batch_new (ChunkFetcher *fetcher, FetchUrgency urgency, guint deadline_seconds,
                             guint window, const gint *cancelled);

/* What was wanted and did not come yet is left to itself.  */
void chunk_batch_free (ChunkBatch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkBatch, chunk_batch_free)

/* Want chunk ID, of SIZE bytes in the guest; waits while there are as many as the window has. FALSE
   if it was cancelled, or if nothing comes any more: the last chunks, as many as the window has,
   all failed.  */
gboolean chunk_batch_want (ChunkBatch *batch, const ChunkId *id, gsize size);

/* Wait for all that was wanted.  Fails with the first error that a chunk had, or with
   G_IO_ERROR_CANCELLED.  */
gboolean chunk_batch_wait (ChunkBatch *batch, GError **error);

/* The bytes of the chunks that have come, in the guest, so far.  */
guint64 chunk_batch_done_bytes (ChunkBatch *batch);
