// SPDX-License-Identifier: GPL-2.0-or-later
// What is asked of whom, and when.
//
// A wanted chunk is in one of these places: fresh (a host is to be chosen), a host's queue, a
// request (ask), the intake (n_checked), or resting between two rounds.  A chunk that somebody
// begins to wait for while it is far behind in a long request is asked for once more, in front.

#include "fetch-schedule.h"

#include "qcow-backing/fail.h"

#define AHEAD_MAX   8u // chunks that may come before one that somebody waits for
#define REST_USEC   500000
#define EXPIRE_USEC 100000 // how often deadlines are looked at

struct FetchSchedule
{
  IncomingChunks *incoming;
  ChunkSources *sources;
  GHashTable *wants; // set of WantedChunk *
  GQueue fresh, resting;
  GPtrArray *queues; // of FetchQueue *, by the source's number; NULL where it was never asked
  GPtrArray *ended;  // of WantedChunk *
  gint64 first_deadline_us, expired_us;
  char *last_trouble;
};

static void
end_want (FetchSchedule *schedule, WantedChunk *want, const GError *error)
{
  wanted_chunk_move (want, NULL);
  g_hash_table_remove (schedule->wants, want);
  want->error = error ? g_error_copy (error) : NULL;
  g_ptr_array_add (schedule->ended, want);
}

FetchSchedule *
fetch_schedule_new (const char *own_name, IncomingChunks *incoming)
{
  FetchSchedule *schedule = g_new0 (FetchSchedule, 1);

  schedule->incoming = incoming;
  schedule->sources = chunk_sources_new (own_name);
  schedule->wants = g_hash_table_new (chunk_id_hash, chunk_id_equal);
  g_queue_init (&schedule->fresh);
  g_queue_init (&schedule->resting);
  schedule->queues = g_ptr_array_new_with_free_func (g_free);
  schedule->ended = g_ptr_array_new_with_free_func ((GDestroyNotify)wanted_chunk_free);
  schedule->first_deadline_us = G_MAXINT64;
  return schedule;
}

void
fetch_schedule_free (FetchSchedule *schedule)
{
  if (!schedule)
    return;
  fetch_schedule_cancel (schedule, NULL);
  g_ptr_array_unref (schedule->ended);
  g_ptr_array_unref (schedule->queues);
  g_hash_table_unref (schedule->wants);
  chunk_sources_free (schedule->sources);
  g_free (schedule->last_trouble);
  g_free (schedule);
}

ChunkSources *
fetch_schedule_sources (FetchSchedule *schedule)
{
  return schedule->sources;
}

ChunkSource *
fetch_schedule_source (FetchSchedule *schedule, guint number)
{
  return ((FetchQueue *)schedule->queues->pdata[number])->source;
}

guint
fetch_schedule_n_wanted (const FetchSchedule *schedule)
{
  return g_hash_table_size (schedule->wants);
}

static FetchQueue *
queue_of (FetchSchedule *schedule, ChunkSource *source)
{
  if (source->number >= schedule->queues->len)
    g_ptr_array_set_size (schedule->queues, (gint)source->number + 1);
  FetchQueue *queue = schedule->queues->pdata[source->number];
  if (queue)
    return queue;
  queue = fetch_queue_new (source);
  schedule->queues->pdata[source->number] = queue;
  return queue;
}

/* Whether WANT is in the queue of some host, or in a request, and not yet with the intake.  */
static gboolean
is_queued (const FetchSchedule *schedule, const WantedChunk *want)
{
  return want->queue && want->queue != &schedule->fresh && want->queue != &schedule->resting;
}

/* Somebody waits for WANT from now on, or sooner than before.  */
static void
raise_urgency (FetchSchedule *schedule, WantedChunk *want, FetchUrgency urgency)
{
  FetchUrgency before = want->urgency;

  want->urgency = urgency;
  if (is_queued (schedule, want))
    wanted_chunk_move (want, want->queue - before + urgency); // the queues of a host are an array
  else if (want->ask && urgency == FETCH_DEMAND && !want->ask->is_demand
           && want->ask->source->doubted_us == 0
           && want->position > want->ask->n_answered + AHEAD_MAX)
    {
      want->forward = want->ask->want.forward;
      wanted_chunk_move (want, &queue_of (schedule, want->ask->source)->wants[FETCH_DEMAND]);
    }
}

void
fetch_schedule_want (FetchSchedule *schedule, const ChunkId *id, FetchUrgency urgency,
                     FetchReach reach, gint64 deadline_us, ChunkFetchedFunc func, gpointer data)
{
  WantedChunk *want = g_hash_table_lookup (schedule->wants, id);

  if (!want)
    {
      want = wanted_chunk_new (id, urgency, reach);
      g_hash_table_add (schedule->wants, want);
      wanted_chunk_move (want, &schedule->fresh);
    }
  if (urgency < want->urgency)
    raise_urgency (schedule, want, urgency);
  if (reach == FETCH_FROM_ANYONE)
    want->reach = reach;
  want->is_patient |= urgency == FETCH_DEMAND && reach == FETCH_FROM_ANYONE;
  wanted_chunk_add_waiter (want, deadline_us, func, data);
  schedule->first_deadline_us = MIN (schedule->first_deadline_us, deadline_us);
}

/* Everybody was asked for WANT.  */
static void
end_round (FetchSchedule *schedule, WantedChunk *want, gint64 now_us)
{
  gboolean is_refused = want->tried.n > 0 && want->n_refusals == want->tried.n;
  gboolean is_alone = chunk_sources_is_empty (schedule->sources, want->reach);
  g_autoptr (GError) error = NULL;
  char hex[CHUNK_HEX_SIZE];

  if (is_alone || (is_refused && !want->is_patient))
    {
      chunk_id_to_hex (&want->id, hex);
      fail_code (&error, G_IO_ERROR_NOT_FOUND,
                 is_alone ? "chunk %s: there is no other host to ask"
                          : "chunk %s: no other host has it",
                 hex);
      end_want (schedule, want, error);
      return;
    }
  want->tried.n = want->n_refusals = 0;
  want->rest_until_us = now_us + REST_USEC;
  wanted_chunk_move (want, &schedule->resting);
}

/* Whom to ask for WANT next, which if somebody waits for it is a host that is doubted only where
   there is no other; NULL when nobody is left.  */
static ChunkSource *
next_source (const FetchSchedule *schedule, const WantedChunk *want, gint64 now_us,
             gboolean *forward)
{
  ChunkTried tried = want->tried;
  ChunkSource *first =
      chunk_sources_next (schedule->sources, &want->id, want->reach, &tried, now_us, forward);
  ChunkSource *source = first;
  gboolean source_forward = *forward;

  while (source && source->doubted_us > 0 && want->urgency == FETCH_DEMAND)
    {
      chunk_tried_add (&tried, source);
      source = chunk_sources_next (schedule->sources, &want->id, want->reach, &tried, now_us,
                                   &source_forward);
    }
  if (source)
    *forward = source_forward;
  return source ? source : first;
}

static void
choose_host (FetchSchedule *schedule, WantedChunk *want, gint64 now_us)
{
  if (incoming_chunks_has (schedule->incoming, &want->id))
    {
      end_want (schedule, want, NULL);
      return;
    }
  ChunkSource *source = next_source (schedule, want, now_us, &want->forward);
  if (source)
    wanted_chunk_move (want, &queue_of (schedule, source)->wants[want->urgency]);
  else
    end_round (schedule, want, now_us);
}

static void
expire (FetchSchedule *schedule, gint64 now_us)
{
  GHashTableIter iter;
  gpointer key;

  schedule->expired_us = now_us;
  schedule->first_deadline_us = G_MAXINT64;
  g_hash_table_iter_init (&iter, schedule->wants);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      WantedChunk *want = key;
      WantedChunk *late = wanted_chunk_split_late (want, now_us, schedule->last_trouble);
      schedule->first_deadline_us = MIN (schedule->first_deadline_us, want->first_deadline_us);
      if (!late)
        continue;
      g_ptr_array_add (schedule->ended, late);
      if (want->waiters->len > 0)
        continue;
      wanted_chunk_move (want, NULL);
      g_hash_table_iter_remove (&iter);
      wanted_chunk_free (want);
    }
}

void
fetch_schedule_update (FetchSchedule *schedule, gint64 now_us)
{
  WantedChunk *want;

  if (schedule->first_deadline_us <= now_us && schedule->expired_us + EXPIRE_USEC <= now_us)
    expire (schedule, now_us);
  while ((want = g_queue_peek_head (&schedule->resting)) && want->rest_until_us <= now_us)
    wanted_chunk_move (want, &schedule->fresh);
  while ((want = g_queue_peek_head (&schedule->fresh)))
    choose_host (schedule, want, now_us);
}

FetchAsk *
fetch_schedule_next (FetchSchedule *schedule, gint64 now_us)
{
  FetchAsk *ask = NULL;

  for (guint i = 0; !ask && i < schedule->queues->len; i++)
    if (schedule->queues->pdata[i])
      ask = fetch_queue_next (schedule->queues->pdata[i], now_us);
  return ask;
}

/* SOURCE has not given WANT, which goes elsewhere if nobody else is giving it now.  */
static void
give_up_source (FetchSchedule *schedule, WantedChunk *want, ChunkSource *source)
{
  chunk_tried_add (&want->tried, source);
  if (!want->ask && !want->queue && want->n_checked == 0)
    wanted_chunk_move (want, &schedule->fresh);
}

gboolean
fetch_schedule_answer (FetchSchedule *schedule, FetchAsk *ask, const ChunkId *id, gboolean has,
                       GError **error)
{
  gint place = fetch_ask_find (ask, id);

  if (place < 0)
    return fail (error, "it sends a chunk that was not asked for, or twice");
  ask->is_answered[place] = TRUE;
  ask->n_answered++;
  WantedChunk *want = g_hash_table_lookup (schedule->wants, id);
  if (!want)
    return TRUE;
  if (want->ask == ask)
    want->ask = NULL;
  if (has)
    {
      want->n_checked++;
      wanted_chunk_move (want, NULL);
      return TRUE;
    }
  want->n_refusals++;
  give_up_source (schedule, want, ask->source);
  return TRUE;
}

/* What was to be asked of QUEUE's host is to be asked of others.  */
static void
clear_queue (FetchSchedule *schedule, FetchQueue *queue)
{
  for (gsize i = 0; i < G_N_ELEMENTS (queue->wants); i++)
    for (WantedChunk *want; (want = g_queue_peek_head (&queue->wants[i]));)
      wanted_chunk_move (want, &schedule->fresh);
}

static void
strike (FetchSchedule *schedule, ChunkSource *source, StrikeKind kind, const char *trouble,
        gint64 now_us)
{
  gboolean is_news = !chunk_source_is_struck (source, now_us)
                     || (kind == STRIKE_BAD && source->strike != STRIKE_BAD);

  chunk_source_strike (source, kind, now_us);
  g_free (schedule->last_trouble);
  schedule->last_trouble = g_strdup_printf ("host %s: %s", source->host->name, trouble);
  if (is_news)
    g_message ("host %s is left alone for a while: %s", source->host->name, trouble);
  clear_queue (schedule, queue_of (schedule, source));
}

void
fetch_schedule_checked (FetchSchedule *schedule, const ChunkId *id, ChunkSource *source,
                        FetchCheck check, const GError *error, gint64 now_us)
{
  WantedChunk *want = g_hash_table_lookup (schedule->wants, id);

  if (check == FETCH_BAD)
    {
      g_autofree char *trouble = g_strdup_printf ("a chunk of it is bad (%s)", error->message);
      strike (schedule, source, STRIKE_BAD, trouble, now_us);
    }
  if (!want)
    return;
  if (want->n_checked > 0) // it may have ended and been wanted anew meanwhile
    want->n_checked--;
  if (check == FETCH_BAD)
    give_up_source (schedule, want, source);
  else
    end_want (schedule, want, error);
}

/* WANT, which a host that is doubted has or is to be asked for, goes elsewhere as well if there is
   anybody else.  */
static void
hedge (FetchSchedule *schedule, WantedChunk *want, gint64 now_us)
{
  gboolean forward;
  ChunkSource *other = next_source (schedule, want, now_us, &forward);

  if (other && other->doubted_us == 0)
    wanted_chunk_move (want, &schedule->fresh);
}

void
fetch_schedule_doubt (FetchSchedule *schedule, FetchAsk *ask, gint64 now_us)
{
  GQueue *queue = &queue_of (schedule, ask->source)->wants[FETCH_DEMAND];

  if (ask->source->doubted_us == 0)
    ask->source->doubted_us = now_us;
  for (GList *link = queue->head, *next; link; link = next)
    {
      next = link->next;
      hedge (schedule, link->data, now_us);
    }
  for (guint i = 0; i < ask->want.n_chunks; i++)
    {
      WantedChunk *want = g_hash_table_lookup (schedule->wants, &ask->want.chunks[i]);
      if (want && want->ask == ask && !want->queue && want->n_checked == 0
          && want->urgency == FETCH_DEMAND)
        hedge (schedule, want, now_us);
    }
}

void
fetch_schedule_end (FetchSchedule *schedule, FetchAsk *ask, const char *trouble, StrikeKind kind,
                    gint64 now_us)
{
  FetchQueue *queue = queue_of (schedule, ask->source);

  ask->source->doubted_us = 0;
  if (!trouble)
    ask->source->answered_us = now_us;
  fetch_queue_end (queue, ask, trouble == NULL, now_us);
  if (trouble)
    strike (schedule, ask->source, kind, trouble, now_us);
  for (guint i = 0; i < ask->want.n_chunks; i++)
    {
      WantedChunk *want = g_hash_table_lookup (schedule->wants, &ask->want.chunks[i]);
      if (!want || want->ask != ask)
        continue;
      want->ask = NULL;
      give_up_source (schedule, want, ask->source);
    }
  g_free (ask);
}

void
fetch_schedule_cancel (FetchSchedule *schedule, const GError *error)
{
  GHashTableIter iter;
  gpointer key;

  for (;;)
    {
      g_hash_table_iter_init (&iter, schedule->wants);
      if (!g_hash_table_iter_next (&iter, &key, NULL))
        return;
      end_want (schedule, key, error);
    }
}

GPtrArray *
fetch_schedule_take_ended (FetchSchedule *schedule)
{
  if (schedule->ended->len == 0)
    return NULL;
  GPtrArray *ended = schedule->ended;
  schedule->ended = g_ptr_array_new_with_free_func ((GDestroyNotify)wanted_chunk_free);
  return ended;
}
