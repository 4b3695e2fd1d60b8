// SPDX-License-Identifier: GPL-2.0-or-later
// Ingesting: a disk's data is cut into chunks, hashed, and staged for the store, on all cores.
#pragma once

#include "chunk-staging.h"
#include "nbd-source.h"
#include "progress.h"

/* The chunk ids of the whole of SOURCE, in order, one for each CHUNK_SIZE begun; what the store
   lacks is in STAGING then.  Holes are neither read nor hashed.  Owned by the caller (g_free).  */
ChunkId *ingest_disk (NbdSource *source, ChunkStaging *staging, const Progress *progress,
                      GError **error);
