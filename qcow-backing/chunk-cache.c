// SPDX-License-Identifier: GPL-2.0-or-later
// A cache of decompressed chunks: fixed slots in one mapping, in shards that lock and evict by
// themselves.
//
// A shard replaces by CLOCK: a slot that was read since the hand last passed is spared once.  A
// slot that is pinned, since somebody loads it, waits for it or copies from it, is never replaced.
// A thread holds one slot at most and never waits while it does, so waiting for a slot ends.

#include "chunk-cache.h"

#include <sys/mman.h>

#include "fail.h"

#define SHARDS_MAX      16u
#define SHARD_SLOTS_MIN 32u // below that a shard evicts what another has room for

typedef enum
{
  SLOT_EMPTY,
  SLOT_LOADING,
  SLOT_READY,
  SLOT_FAILED, // no longer in by_id; kept for those who waited
} SlotState;

typedef struct
{
  ChunkId id;
  SlotState state;
  guint pins;
  gboolean used; // since the hand last passed
  GError *error; // of SLOT_FAILED
} Slot;

typedef struct
{
  GMutex lock;   // guards all below; never held while loading or copying, nor with another shard's
  GCond changed; // a load ended, or the last pin of a slot went
  GHashTable *by_id; // ChunkId * in the slot -> Slot, loading or ready
  Slot *slots;
  guint n_slots;
  guint hand;
  guint n_waiting; // for a slot
  guint8 *memory;  // CHUNK_SIZE for each slot
} Shard;

struct ChunkCache
{
  Shard shards[SHARDS_MAX];
  guint n_shards; // a power of two
  guint8 *memory;
  gsize memory_size;
};

static void
shard_init (Shard *shard, guint n_slots, guint8 *memory)
{
  g_mutex_init (&shard->lock);
  g_cond_init (&shard->changed);
  shard->by_id = g_hash_table_new (chunk_id_hash, chunk_id_equal);
  shard->slots = g_new0 (Slot, n_slots);
  shard->n_slots = n_slots;
  shard->memory = memory;
}

static void
shard_clear (Shard *shard)
{
  g_hash_table_unref (shard->by_id);
  g_free (shard->slots);
  g_cond_clear (&shard->changed);
  g_mutex_clear (&shard->lock);
}

ChunkCache *
chunk_cache_new (guint64 capacity_bytes, GError **error)
{
  guint64 n_slots = CLAMP (capacity_bytes / CHUNK_SIZE, 1, G_MAXUINT32);
  guint n_shards = 1;

  while (n_shards < SHARDS_MAX && n_slots / (2 * n_shards) >= SHARD_SLOTS_MIN)
    n_shards *= 2;
  guint shard_slots = n_slots / n_shards;
  gsize size = (gsize)n_shards * shard_slots * CHUNK_SIZE;
  void *memory =
      mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    {
      fail_errno (error, "cannot set up a chunk cache of %" G_GSIZE_FORMAT " bytes", size);
      return NULL;
    }

  ChunkCache *cache = g_new0 (ChunkCache, 1);
  cache->memory = memory;
  cache->memory_size = size;
  cache->n_shards = n_shards;
  for (guint i = 0; i < n_shards; i++)
    shard_init (&cache->shards[i], shard_slots,
                cache->memory + (gsize)i * shard_slots * CHUNK_SIZE);
  return cache;
}

void
chunk_cache_free (ChunkCache *cache)
{
  if (!cache)
    return;
  for (guint i = 0; i < cache->n_shards; i++)
    shard_clear (&cache->shards[i]);
  munmap (cache->memory, cache->memory_size);
  g_free (cache);
}

/* A slot that may be replaced; NULL while all are pinned.  Two rounds: the first may only take
   marks away.  */
static Slot *
shard_find_victim (Shard *shard)
{
  for (guint step = 0; step < 2 * shard->n_slots; step++)
    {
      Slot *slot = &shard->slots[shard->hand];

      shard->hand = (shard->hand + 1) % shard->n_slots;
      if (slot->pins > 0)
        continue;
      if (!slot->used)
        return slot;
      slot->used = FALSE;
    }
  return NULL;
}

/* Pin the slot of chunk ID; one whose state is SLOT_EMPTY is the caller's to load.  */
static Slot *
shard_pin (Shard *shard, const ChunkId *id)
{
  Slot *slot = g_hash_table_lookup (shard->by_id, id);

  while (!slot && !(slot = shard_find_victim (shard)))
    {
      shard->n_waiting++;
      g_cond_wait (&shard->changed, &shard->lock);
      shard->n_waiting--;
      slot = g_hash_table_lookup (shard->by_id, id);
    }
  if (!chunk_id_equal (&slot->id, id) || slot->state == SLOT_EMPTY)
    {
      if (slot->state == SLOT_READY)
        g_hash_table_remove (shard->by_id, &slot->id);
      slot->id = *id;
      slot->state = SLOT_EMPTY;
      g_hash_table_insert (shard->by_id, &slot->id, slot);
    }
  else
    slot->used = TRUE;
  slot->pins++;
  return slot;
}

static void
shard_unpin (Shard *shard, Slot *slot)
{
  if (--slot->pins > 0)
    return;
  if (slot->state == SLOT_FAILED)
    {
      slot->state = SLOT_EMPTY;
      slot->used = FALSE;
      g_clear_error (&slot->error);
    }
  if (shard->n_waiting > 0)
    g_cond_broadcast (&shard->changed);
}

static guint8 *
slot_bytes (const Shard *shard, const Slot *slot)
{
  return shard->memory + (gsize)(slot - shard->slots) * CHUNK_SIZE;
}

static void
shard_load (Shard *shard, Slot *slot, gsize size, ChunkCacheLoad load, gpointer data)
{
  GError *error = NULL;

  slot->state = SLOT_LOADING;
  g_mutex_unlock (&shard->lock);
  gboolean loaded = load (&slot->id, slot_bytes (shard, slot), size, data, &error);
  g_mutex_lock (&shard->lock);

  slot->state = loaded ? SLOT_READY : SLOT_FAILED;
  if (!loaded)
    {
      g_hash_table_remove (shard->by_id, &slot->id);
      slot->error = error;
    }
  if (slot->pins > 1)
    g_cond_broadcast (&shard->changed);
}

/* Not by the bytes that chunk_id_hash takes.  */
static Shard *
shard_of (ChunkCache *cache, const ChunkId *id)
{
  return &cache->shards[id->bytes[CHUNK_ID_SIZE - 1] & (cache->n_shards - 1)];
}

const guint8 *
chunk_cache_get (ChunkCache *cache, const ChunkId *id, gsize size, ChunkCacheLoad load,
                 gpointer data, GError **error)
{
  Shard *shard = shard_of (cache, id);
  const guint8 *bytes = NULL;

  g_return_val_if_fail (size <= CHUNK_SIZE, NULL);
  g_mutex_lock (&shard->lock);
  Slot *slot = shard_pin (shard, id);
  if (slot->state == SLOT_EMPTY)
    shard_load (shard, slot, size, load, data);
  while (slot->state == SLOT_LOADING)
    g_cond_wait (&shard->changed, &shard->lock);
  if (slot->state == SLOT_READY)
    bytes = slot_bytes (shard, slot);
  else
    {
      if (error)
        *error = g_error_copy (slot->error);
      shard_unpin (shard, slot);
    }
  g_mutex_unlock (&shard->lock);
  return bytes;
}

gboolean
chunk_cache_has (ChunkCache *cache, const ChunkId *id)
{
  Shard *shard = shard_of (cache, id);

  g_mutex_lock (&shard->lock);
  gboolean has = g_hash_table_contains (shard->by_id, id);
  g_mutex_unlock (&shard->lock);
  return has;
}

gboolean
chunk_cache_has_room (ChunkCache *cache, const ChunkId *id)
{
  Shard *shard = shard_of (cache, id);

  g_mutex_lock (&shard->lock);
  gboolean has_room = g_hash_table_size (shard->by_id) < shard->n_slots;
  g_mutex_unlock (&shard->lock);
  return has_room;
}

void
chunk_cache_release (ChunkCache *cache, const guint8 *bytes)
{
  gsize i = (gsize)(bytes - cache->memory) / CHUNK_SIZE;
  Shard *shard = &cache->shards[i / cache->shards[0].n_slots];

  g_mutex_lock (&shard->lock);
  shard_unpin (shard, &shard->slots[i % shard->n_slots]);
  g_mutex_unlock (&shard->lock);
}
