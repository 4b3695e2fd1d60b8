// SPDX-License-Identifier: GPL-2.0-or-later
// A cache of decompressed chunks, bounded in bytes, for many reading threads.
#pragma once

#include "chunk-id.h"

typedef struct ChunkCache ChunkCache;

/* A cache of at most CAPACITY_BYTES of chunks, rounded down to whole chunks, at least one.  All of
   its memory is one mapping, which the system fills as chunks come.  */
ChunkCache *chunk_cache_new (guint64 capacity_bytes, GError **error);
void chunk_cache_free (ChunkCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkCache, chunk_cache_free)

/* Fill BUFFER with the SIZE bytes of chunk ID.  Called without a lock, so it may take its time;
   never by two threads for the same chunk at once.  */
typedef gboolean (*ChunkCacheLoad) (const ChunkId *id, guint8 *buffer, gsize size, gpointer data,
                                    GError **error);

/* The bytes of chunk ID, SIZE of them (at most CHUNK_SIZE), which stay until chunk_cache_release.
   What is not in the cache is loaded by LOAD; whoever else wants it meanwhile waits for that and
   shares its result.  A failure is handed to those who waited, and not remembered. A thread holds
   at most one chunk at a time: who asks while all are held waits for another's release.  */
const guint8 *chunk_cache_get (ChunkCache *cache, const ChunkId *id, gsize size,
                               ChunkCacheLoad load, gpointer data, GError **error);
/* Whether chunk ID is in the cache or on its way.  */
gboolean chunk_cache_has (ChunkCache *cache, const ChunkId *id);

/* Whether chunk ID could come into the cache without driving out another.  */
gboolean chunk_cache_has_room (ChunkCache *cache, const ChunkId *id);

void chunk_cache_release (ChunkCache *cache, const guint8 *bytes);
