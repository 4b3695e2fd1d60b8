// SPDX-License-Identifier: GPL-2.0-or-later
// Waiting for a chunk that is missing, or damaged: gildd fetches it from another host.
#pragma once

#include "qcow-backing/chunk-id.h"

typedef struct ChunkWaiter ChunkWaiter;

/* Ask the gildd that listens, or some day will, at SOCKET_PATH; wait for DEADLINE_SECONDS.  */
ChunkWaiter *chunk_waiter_new (const char *socket_path, guint deadline_seconds);
void chunk_waiter_free (ChunkWaiter *waiter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkWaiter, chunk_waiter_free)

/* Have chunk ID fetched, which is at POSITION, in chunks, of REF, "IMAGE@VERSION", and is missing
   or, with IS_DAMAGED, to be set aside before.  Returns when it can be read; when gildd says that
   it cannot be had, at once where there is nobody to ask; or at the deadline.  A gildd that does
   not answer, since it is restarted, is asked again, but for a damaged chunk, which it may leave
   where it is.  Safe from several threads.  */
gboolean chunk_waiter_wait (ChunkWaiter *waiter, const ChunkId *id, const char *ref, gsize position,
                            gboolean is_damaged, GError **error);
