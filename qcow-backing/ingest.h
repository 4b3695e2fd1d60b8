// SPDX-License-Identifier: GPL-2.0-or-later
// Ingesting: a disk's data is cut into chunks, hashed, and staged for the store, on all cores.
#pragma once

#include "chunk-staging.h"
#include "index.h"
#include "nbd-source.h"
#include "progress.h"

/* What lies below a source that does not hold all of its disk.  */
typedef struct
{
  const Index *index;
  ChunkStore *store;
} IngestBelow;

/* The chunk ids of the whole of SOURCE, in order, one for each CHUNK_SIZE begun; what the store
   lacks is in STAGING then.  Only chunks are read that SOURCE holds something of; the others are
   BELOW's, or zeros where BELOW is NULL or shorter.  Fails with CHUNK_STORE_ERROR where a chunk of
   BELOW's cannot be had.  Owned by the caller (g_free).  */
ChunkId *ingest_disk (NbdSource *source, const IngestBelow *below, ChunkStaging *staging,
                      const Progress *progress, GError **error);
