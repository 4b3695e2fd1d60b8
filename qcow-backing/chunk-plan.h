// SPDX-License-Identifier: GPL-2.0-or-later
// Which chunks of a disk have to be read, and what the others are: what ingesting goes by.
#pragma once

#include "index.h"
#include "nbd-source.h"

/* Chunks that lie side by side.  */
typedef struct
{
  gsize first, count;
} ChunkRange;

typedef struct
{
  ChunkId *ids;    // of all chunks; of those to be read, not yet their own
  GArray *ranges;  // of ChunkRange: those to be read, ascending, apart from each other
  GArray *extents; // of NbdExtent: the disk, BELOW only where there is something below
} ChunkPlan;

/* Plan for a disk of SIZE bytes whose map is EXTENTS (nbd_source_map), which the plan takes over.
   What lies below it is BELOW, a disk that may be shorter; NULL: nothing, so zeros.  No range is
   longer than COUNT_MAX.  */
ChunkPlan *chunk_plan_new (guint64 size, GArray *extents, const Index *below, gsize count_max);
void chunk_plan_free (ChunkPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkPlan, chunk_plan_free)

/* The place in PLAN->extents of the extent that OFFSET, which is in the disk, lies in.  */
guint chunk_plan_extent_at (const ChunkPlan *plan, guint64 offset);

typedef struct
{
  guint64 offset, length; // bytes
} DiskPart;

/* The next part between OFFSET and END, both in the disk or at its end, that has to be read from
   what was mapped: its data, and small gaps between that, which cost less than one more request.
   FALSE: there is none.  */
gboolean chunk_plan_next_data (const ChunkPlan *plan, guint64 offset, guint64 end, DiskPart *part);
