// SPDX-License-Identifier: GPL-2.0-or-later
// What is to be asked of one host, and in which portions.

#include "fetch-queue.h"

#define DEMAND_ASKS  8u  // requests at a time to one host for what somebody waits for
#define DEMAND_BATCH 32u // chunks in each
#define OTHER_ASKS   2u  // requests for the rest, so that one is on its way while one ends
#define BATCH_FIRST  16u
#define BATCH_MIN    8u
#define SHORT_USEC   60000 // a request that took less could have been larger
#define LONG_USEC    250000

FetchQueue *
fetch_queue_new (ChunkSource *source)
{
  FetchQueue *queue = g_new0 (FetchQueue, 1);

  queue->source = source;
  queue->batch = BATCH_FIRST;
  for (gsize i = 0; i < G_N_ELEMENTS (queue->wants); i++)
    g_queue_init (&queue->wants[i]);
  return queue;
}

/* Chunks of QUEUE from MOST to LEAST urgent, that can go together, at most MAX.  */
static FetchAsk *
make_ask (FetchQueue *queue, FetchUrgency most, FetchUrgency least, guint max, gint64 now_us)
{
  FetchAsk *ask = g_new0 (FetchAsk, 1);
  WantedChunk *want;

  ask->source = queue->source;
  ask->is_demand = least == FETCH_DEMAND;
  ask->want.ahead = !ask->is_demand;
  ask->started_us = now_us;
  for (FetchUrgency urgency = most; urgency <= least; urgency++)
    while (ask->want.n_chunks < max && (want = g_queue_peek_head (&queue->wants[urgency])))
      {
        if (ask->want.n_chunks == 0)
          ask->want.forward = want->forward;
        else if (want->forward != ask->want.forward)
          break;
        wanted_chunk_move (want, NULL);
        want->ask = ask;
        want->position = ask->want.n_chunks;
        ask->want.chunks[ask->want.n_chunks++] = want->id;
      }
  return ask;
}

FetchAsk *
fetch_queue_next (FetchQueue *queue, gint64 now_us)
{
  if (queue->wants[FETCH_DEMAND].length > 0)
    {
      if (queue->n_demand == DEMAND_ASKS)
        return NULL;
      queue->n_demand++;
      return make_ask (queue, FETCH_DEMAND, FETCH_DEMAND, DEMAND_BATCH, now_us);
    }
  if (queue->n_other == OTHER_ASKS
      || queue->wants[FETCH_AHEAD].length + queue->wants[FETCH_PROFILE].length
                 + queue->wants[FETCH_BULK].length
             == 0)
    return NULL;
  queue->n_other++;
  return make_ask (queue, FETCH_AHEAD, FETCH_BULK, queue->batch, now_us);
}

/* Fit the size of requests to how long ASK took.  */
static void
fit_batch (FetchQueue *queue, const FetchAsk *ask, gint64 now_us)
{
  gint64 took = now_us - ask->started_us;

  if (took < SHORT_USEC && ask->want.n_chunks == queue->batch)
    queue->batch = MIN (queue->batch * 2, CHUNK_WANT_MAX);
  else if (took > LONG_USEC)
    queue->batch = MAX (queue->batch / 2, BATCH_MIN);
}

void
fetch_queue_end (FetchQueue *queue, const FetchAsk *ask, gboolean is_well, gint64 now_us)
{
  if (ask->is_demand)
    queue->n_demand--;
  else
    queue->n_other--;
  if (is_well && !ask->is_demand)
    fit_batch (queue, ask, now_us);
}

gint
fetch_ask_find (const FetchAsk *ask, const ChunkId *id)
{
  guint n = ask->want.n_chunks;

  for (guint i = 0; i < n; i++)
    {
      guint place = (ask->n_answered + i) % n;
      if (!ask->is_answered[place] && chunk_id_equal (&ask->want.chunks[place], id))
        return (gint)place;
    }
  return -1;
}
