// SPDX-License-Identifier: GPL-2.0-or-later
// A set of chunk ids that is small and quick where there are millions: about 45 bytes for each.
#pragma once

#include "chunk-id.h"

typedef struct ChunkSet ChunkSet;

#define CHUNK_SET_NONE G_MAXUINT32

ChunkSet *chunk_set_new (void);
void chunk_set_free (ChunkSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkSet, chunk_set_free)

/* Put ID into SET.  Its position, which it keeps: they are counted from 0, as ids come.  */
guint32 chunk_set_add (ChunkSet *set, const ChunkId *id);

/* The position of ID, or CHUNK_SET_NONE.  */
guint32 chunk_set_find (const ChunkSet *set, const ChunkId *id);
gboolean chunk_set_has (const ChunkSet *set, const ChunkId *id);

/* How many there are, and the one at POSITION, which is valid until the next is added.  */
guint32 chunk_set_count (const ChunkSet *set);
const ChunkId *chunk_set_get (const ChunkSet *set, guint32 position);
