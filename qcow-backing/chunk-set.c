// SPDX-License-Identifier: GPL-2.0-or-later
// A set of chunk ids that is small and quick where there are millions: about 45 bytes for each.
//
// The ids stand in one array, in the order in which they came; an open-addressed table, never more
// than three quarters full, has their positions.  An id is a SHA-256, so its first bytes are hash
// enough.

#include "chunk-set.h"

#include <string.h>

#define SLOTS_MIN 1024u

struct ChunkSet
{
  GArray *ids;    // of ChunkId
  guint32 *slots; // positions, CHUNK_SET_NONE where there is none
  gsize n_slots;  // a power of two
};

static guint32 *
new_slots (gsize n)
{
  guint32 *slots = g_new (guint32, n);

  memset (slots, 0xff, n * sizeof *slots);
  return slots;
}

ChunkSet *
chunk_set_new (void)
{
  ChunkSet *set = g_new (ChunkSet, 1);

  set->ids = g_array_new (FALSE, FALSE, sizeof (ChunkId));
  set->n_slots = SLOTS_MIN;
  set->slots = new_slots (set->n_slots);
  return set;
}

void
chunk_set_free (ChunkSet *set)
{
  if (!set)
    return;
  g_array_unref (set->ids);
  g_free (set->slots);
  g_free (set);
}

/* The slot that has ID, or the one where it belongs.  */
static guint32 *
find_slot (const ChunkSet *set, const ChunkId *id)
{
  guint64 hash;

  memcpy (&hash, id->bytes, sizeof hash);
  for (gsize i = hash & (set->n_slots - 1);; i = (i + 1) & (set->n_slots - 1))
    if (set->slots[i] == CHUNK_SET_NONE
        || chunk_id_equal (&g_array_index (set->ids, ChunkId, set->slots[i]), id))
      return &set->slots[i];
}

static void
grow (ChunkSet *set)
{
  g_free (set->slots);
  set->n_slots *= 2;
  set->slots = new_slots (set->n_slots);
  for (guint32 i = 0; i < set->ids->len; i++)
    *find_slot (set, &g_array_index (set->ids, ChunkId, i)) = i;
}

guint32
chunk_set_add (ChunkSet *set, const ChunkId *id)
{
  guint32 *slot = find_slot (set, id);

  if (*slot != CHUNK_SET_NONE)
    return *slot;
  *slot = set->ids->len;
  g_array_append_val (set->ids, *id);
  if (set->ids->len > set->n_slots / 4 * 3)
    grow (set);
  return set->ids->len - 1;
}

guint32
chunk_set_find (const ChunkSet *set, const ChunkId *id)
{
  return *find_slot (set, id);
}

gboolean
chunk_set_has (const ChunkSet *set, const ChunkId *id)
{
  return chunk_set_find (set, id) != CHUNK_SET_NONE;
}

guint32
chunk_set_count (const ChunkSet *set)
{
  return set->ids->len;
}

const ChunkId *
chunk_set_get (const ChunkSet *set, guint32 position)
{
  return &g_array_index (set->ids, ChunkId, position);
}
