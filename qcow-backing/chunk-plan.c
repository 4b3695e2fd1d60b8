// SPDX-License-Identifier: GPL-2.0-or-later
// Which chunks of a disk have to be read, and what the others are.
//
// A chunk that the disk holds nothing of is what it is below; one that is zero in all its length is
// zero; every other one has to be read.  So the work follows what was written, not the disk's size.

#include "chunk-plan.h"

#define GAP_MAX (16u << 10)

/* Let what lies below the disk end at BELOW_SIZE: behind that there are zeros.  */
static GArray *
cut_below (GArray *extents, guint64 below_size)
{
  GArray *cut = g_array_sized_new (FALSE, FALSE, sizeof (NbdExtent), extents->len + 1);

  for (guint i = 0; i < extents->len; i++)
    {
      NbdExtent extent = g_array_index (extents, NbdExtent, i);
      guint64 end = extent.offset + extent.length;
      if (extent.kind == NBD_EXTENT_BELOW && end > below_size)
        {
          NbdExtent rest = { MAX (extent.offset, below_size), 0, NBD_EXTENT_ZERO };
          rest.length = end - rest.offset;
          extent.length -= rest.length;
          if (extent.length > 0)
            g_array_append_val (cut, extent);
          extent = rest;
        }
      g_array_append_val (cut, extent);
    }
  g_array_unref (extents);
  return cut;
}

static gsize
chunks_of (guint64 size)
{
  return (gsize)((size + CHUNK_SIZE - 1) / CHUNK_SIZE);
}

/* The id of chunk I of a disk of SIZE bytes, if it is all zeros.  */
static ChunkId
zero_id (guint64 size, gsize i)
{
  return chunk_id_of_zeros ((gsize)MIN (CHUNK_SIZE, size - (guint64)i * CHUNK_SIZE));
}

/* The ids of a disk of SIZE bytes that is what BELOW is, and zeros behind that.  If BELOW ends
   within a chunk, cut_below has that one read.  */
static ChunkId *
initial_ids (guint64 size, const Index *below)
{
  gsize n = chunks_of (size), n_below = below ? MIN (n, index_n_chunks (below)) : 0;
  ChunkId zero = chunk_id_of_zeros (CHUNK_SIZE);
  ChunkId *ids = g_new (ChunkId, n);

  for (gsize i = 0; i < n; i++)
    ids[i] = i < n_below ? *index_chunk_id (below, i) : zero;
  if (n > n_below)
    ids[n - 1] = zero_id (size, n - 1);
  return ids;
}

/* Have the chunks from FIRST to before END read, but for those that are already.  */
static void
add_chunks (GArray *ranges, gsize first, gsize end, gsize count_max)
{
  while (first < end)
    {
      ChunkRange *last = ranges->len ? &g_array_index (ranges, ChunkRange, ranges->len - 1) : NULL;
      if (last && first < last->first + last->count)
        first = last->first + last->count;
      else if (last && first == last->first + last->count && last->count < count_max)
        last->count++;
      else
        {
          const ChunkRange range = { first, 1 };
          g_array_append_val (ranges, range);
        }
    }
}

/* Plan for EXTENT, which is zero: the chunks that are so in all their length are known.  */
static void
add_zeros (ChunkPlan *plan, guint64 size, const NbdExtent *extent, gsize count_max)
{
  guint64 end = extent->offset + extent->length;
  gsize first = chunks_of (extent->offset);
  gsize whole_end = end == size ? chunks_of (end) : (gsize)(end / CHUNK_SIZE);

  add_chunks (plan->ranges, (gsize)(extent->offset / CHUNK_SIZE), first, count_max);
  if (first < whole_end)
    {
      ChunkId zero = chunk_id_of_zeros (CHUNK_SIZE);
      for (gsize i = first; i < whole_end; i++)
        plan->ids[i] = zero;
      plan->ids[whole_end - 1] = zero_id (size, whole_end - 1);
    }
  add_chunks (plan->ranges, MAX (first, whole_end), chunks_of (end), count_max);
}

ChunkPlan *
chunk_plan_new (guint64 size, GArray *extents, const Index *below, gsize count_max)
{
  ChunkPlan *plan = g_new (ChunkPlan, 1);

  plan->extents = cut_below (extents, below ? index_virtual_size (below) : 0);
  plan->ranges = g_array_new (FALSE, FALSE, sizeof (ChunkRange));
  plan->ids = initial_ids (size, below);
  for (guint i = 0; i < plan->extents->len; i++)
    {
      const NbdExtent *extent = &g_array_index (plan->extents, NbdExtent, i);
      guint64 end = extent->offset + extent->length;
      if (extent->kind == NBD_EXTENT_DATA)
        add_chunks (plan->ranges, (gsize)(extent->offset / CHUNK_SIZE), chunks_of (end), count_max);
      else if (extent->kind == NBD_EXTENT_ZERO)
        add_zeros (plan, size, extent, count_max);
    }
  return plan;
}

void
chunk_plan_free (ChunkPlan *plan)
{
  if (!plan)
    return;
  g_array_unref (plan->extents);
  g_array_unref (plan->ranges);
  g_free (plan->ids);
  g_free (plan);
}

guint
chunk_plan_extent_at (const ChunkPlan *plan, guint64 offset)
{
  guint first = 0, end = plan->extents->len;

  while (end - first > 1)
    {
      guint middle = first + (end - first) / 2;
      if (g_array_index (plan->extents, NbdExtent, middle).offset <= offset)
        first = middle;
      else
        end = middle;
    }
  return first;
}

gboolean
chunk_plan_next_data (const ChunkPlan *plan, guint64 offset, guint64 end, DiskPart *part)
{
  guint64 data_end = 0; // of *PART; 0: none is found yet

  for (guint i = chunk_plan_extent_at (plan, offset); i < plan->extents->len; i++)
    {
      const NbdExtent *extent = &g_array_index (plan->extents, NbdExtent, i);
      guint64 start = MAX (extent->offset, offset);
      if (start >= end || (data_end > 0 && start - data_end > GAP_MAX))
        break;
      if (extent->kind != NBD_EXTENT_DATA || extent->offset + extent->length <= offset)
        continue;
      if (data_end == 0)
        part->offset = start;
      data_end = MIN (extent->offset + extent->length, end);
    }
  if (data_end > 0)
    part->length = data_end - part->offset;
  return data_end > 0;
}
