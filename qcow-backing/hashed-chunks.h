// SPDX-License-Identifier: GPL-2.0-or-later
// Which chunks this process has hashed and found good, so that it need not again.
//
// A chunk's frame has a checksum of its own, which finds what a disk does to it; only the SHA-256
// finds another chunk in its place.  So each is hashed when it is first read, and from then on its
// checksum is enough.
#pragma once

#include "chunk-id.h"

typedef struct HashedChunks HashedChunks;

/* A set of fixed size, 1 MiB: what was added may be forgotten, and what was not added is never
   found.  Safe from several threads.  */
HashedChunks *hashed_chunks_new (void);
void hashed_chunks_free (HashedChunks *chunks);

void hashed_chunks_add (HashedChunks *chunks, const ChunkId *id);
gboolean hashed_chunks_contains (const HashedChunks *chunks, const ChunkId *id);
