// SPDX-License-Identifier: GPL-2.0-or-later
// New chunks on their way into the store: compressed, written aside, made durable, then named.
#pragma once

#include "chunk-store.h"

typedef struct ChunkStaging ChunkStaging;

/* Begin.  The caller holds CHUNK_STORE_LOCK_ADD until it is through.  Safe from several threads,
   but for commit and free.  */
ChunkStaging *chunk_staging_new (ChunkStore *store, GError **error);

/* Throw away what was not committed.  */
void chunk_staging_free (ChunkStaging *staging);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkStaging, chunk_staging_free)

/* Add the chunk of SIZE bytes at DATA whose id is ID, unless store or staging has it already. After
   a failure the staging is as before.  */
gboolean chunk_staging_add (ChunkStaging *staging, const ChunkId *id, const void *data, gsize size,
                            GError **error);

/* The same also where the store has a file of that name, which is damaged and which commit
 * replaces.
 */
gboolean chunk_staging_replace (ChunkStaging *staging, const ChunkId *id, const void *data,
                                gsize size, GError **error);

/* Make all of it durable and part of the store.  On failure the store has some of it or none, which
   is litter and no harm.  */
gboolean chunk_staging_commit (ChunkStaging *staging, GError **error);

typedef struct
{
  guint64 new_chunks;   // chunks that were not in the store
  guint64 new_bytes;    // their size in the guest
  guint64 stored_bytes; // their size compressed
} ChunkStagingStats;
ChunkStagingStats chunk_staging_stats (ChunkStaging *staging);

/* Remove what crashed writers left in STORE; the number of staging directories that went.  */
gboolean chunk_staging_sweep (ChunkStore *store, guint *removed, GError **error);
