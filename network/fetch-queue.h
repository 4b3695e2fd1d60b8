// SPDX-License-Identifier: GPL-2.0-or-later
// What is to be asked of one host, and in which portions.
//
// There is a queue for each urgency.  What somebody waits for goes in requests of its own, beside
// the others.  How many chunks go in one of the others follows from how long they take: a tenth of
// a second or so.  For one thread at a time.
#pragma once

#include "chunk-stream.h"
#include "wanted-chunk.h"

/* One request: for these chunks, to this host.  */
struct FetchAsk
{
  ChunkSource *source;
  gboolean is_demand;
  gint64 started_us;
  guint n_answered;
  gboolean is_answered[CHUNK_WANT_MAX];
  ChunkWant want;
};

typedef struct
{
  ChunkSource *source;
  GQueue wants[FETCH_BULK + 1]; // of WantedChunk, by their urgency
  guint n_demand, n_other;      // requests on their way
  guint batch;                  // chunks in one of the others
} FetchQueue;

/* A queue for SOURCE, which outlives it; g_free frees it.  */
FetchQueue *fetch_queue_new (ChunkSource *source);

/* The next request that shall be made now, whose chunks have left the queue; NULL if there is none.
   It stays until fetch_queue_end, and belongs to the caller.  */
FetchAsk *fetch_queue_next (FetchQueue *queue, gint64 now_us);

/* ASK is over; how long it took tells about the next if it IS_WELL.  */
void fetch_queue_end (FetchQueue *queue, const FetchAsk *ask, gboolean is_well, gint64 now_us);

/* The place of ID among what ASK asks for and is not answered, -1 where it is not.  Answers mostly
   come in the order of the request.  */
gint fetch_ask_find (const FetchAsk *ask, const ChunkId *id);
