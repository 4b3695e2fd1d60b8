// SPDX-License-Identifier: GPL-2.0-or-later
// Which chunks this process has hashed and found good, so that it need not again.
//
// An array indexed by some bits of the id, each element holding 64 other bits of the chunk that was
// there last.  That another id agrees in all of them happens by chance for one of 2^81.

#include "hashed-chunks.h"

#include <string.h>

#define SLOTS (1u << 17) // 8 GiB of chunks

struct HashedChunks
{
  guint64 tags[SLOTS]; // atomic; 0: nothing
};

HashedChunks *
hashed_chunks_new (void)
{
  return g_new0 (HashedChunks, 1);
}

void
hashed_chunks_free (HashedChunks *chunks)
{
  g_free (chunks);
}

static gsize
slot_of (const ChunkId *id)
{
  guint32 bits;

  memcpy (&bits, id->bytes, sizeof bits);
  return bits % SLOTS;
}

static guint64
tag_of (const ChunkId *id)
{
  guint64 tag;

  memcpy (&tag, id->bytes + 8, sizeof tag);
  return tag;
}

void
hashed_chunks_add (HashedChunks *chunks, const ChunkId *id)
{
  __atomic_store_n (&chunks->tags[slot_of (id)], tag_of (id), __ATOMIC_RELAXED);
}

gboolean
hashed_chunks_contains (const HashedChunks *chunks, const ChunkId *id)
{
  guint64 tag = tag_of (id);

  return tag != 0 && __atomic_load_n (&chunks->tags[slot_of (id)], __ATOMIC_RELAXED) == tag;
}
