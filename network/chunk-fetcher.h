// SPDX-License-Identifier: GPL-2.0-or-later
// Getting chunks from other hosts: one fetch for a chunk however many want it, from whoever has it
// and answers, checked before it counts, into the store.
//
// One thread keeps the connections, others check and write (chunk-intake.h).  A host that is slow,
// silent or wrong is left for the next one; chunk-sources.h has the order.
#pragma once

#include "chunk-sources.h"
#include "host-list.h"
#include "qcow-backing/config.h"
#include "site-client.h"

typedef struct ChunkFetcher ChunkFetcher;

/* What goes first.  */
typedef enum
{
  FETCH_DEMAND,  // somebody waits for it
  FETCH_AHEAD,   // somebody will, in a moment
  FETCH_PROFILE, // somebody will, if this desktop boots as others did
  FETCH_BULK,    // some day
} FetchUrgency;

/* Fetch for CONFIG's store, which is made if there is none, from the hosts of LIST.  All arguments
   outlive the result.  */
ChunkFetcher *chunk_fetcher_new (const Config *config, SiteClient *client, HostList *list,
                                 GError **error);

/* End.  What was wanted and did not come fails with G_IO_ERROR_CANCELLED.  */
void chunk_fetcher_free (ChunkFetcher *fetcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkFetcher, chunk_fetcher_free)

/* Whether this host is an origin, which it is not at first.  */
void chunk_fetcher_set_origin (ChunkFetcher *fetcher, gboolean is_origin);

/* Chunk ID is there: ERROR is NULL, and chunk_store_read finds it; or ERROR says why not, with
   G_IO_ERROR: _NOT_FOUND where there is no other host or all others say that they have not got it,
   _TIMED_OUT at the deadline, _CANCELLED at the end.  Called in a thread of the fetcher's, which
   must not be kept waiting.  */
typedef void (*ChunkFetchedFunc) (const ChunkId *id, const GError *error, gpointer data);

/* Want chunk ID, for DEADLINE_SECONDS; FUNC, which may be NULL, is called exactly once, and not in
   this thread.  A chunk that is there is there at once; one that is wanted already is fetched once,
   with the highest urgency and the longest reach of all who want it.  For FETCH_DEMAND and
   FETCH_FROM_ANYONE hosts that have not got it are asked again until the deadline.  From any
   thread; each takes some hundred bytes, so want what is many in portions.  */
void chunk_fetcher_want (ChunkFetcher *fetcher, const ChunkId *id, FetchUrgency urgency,
                         FetchReach reach, guint deadline_seconds, ChunkFetchedFunc func,
                         gpointer data);

/* Make what has come so far a durable part of the store; waits for the disk.  */
gboolean chunk_fetcher_flush (ChunkFetcher *fetcher, GError **error);

/* Since the start; sizes are of frames, as they came.  */
typedef struct
{
  guint64 chunks, bad_chunks;
  guint64 origin_bytes, peer_bytes;
  guint64 failed; // wants that ended with an error
  guint wanted;   // chunks, now
} ChunkFetcherStats;
void chunk_fetcher_stats (ChunkFetcher *fetcher, ChunkFetcherStats *stats);
