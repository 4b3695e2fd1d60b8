// SPDX-License-Identifier: GPL-2.0-or-later
// One chunk that is wanted, and who waits for it.

#include "wanted-chunk.h"

#include "qcow-backing/fail.h"

typedef struct
{
  ChunkFetchedFunc func;
  gpointer data;
  gint64 deadline_us;
} Waiter;

WantedChunk *
wanted_chunk_new (const ChunkId *id, FetchUrgency urgency, FetchReach reach)
{
  WantedChunk *want = g_new0 (WantedChunk, 1);

  want->id = *id;
  want->urgency = urgency;
  want->reach = reach;
  want->waiters = g_array_new (FALSE, FALSE, sizeof (Waiter));
  want->first_deadline_us = G_MAXINT64;
  want->link.data = want;
  return want;
}

void
wanted_chunk_free (WantedChunk *want)
{
  if (!want)
    return;
  g_array_unref (want->waiters);
  g_clear_error (&want->error);
  g_free (want);
}

void
wanted_chunk_add_waiter (WantedChunk *want, gint64 deadline_us, ChunkFetchedFunc func,
                         gpointer data)
{
  Waiter waiter = { func, data, deadline_us };

  g_array_append_val (want->waiters, waiter);
  want->first_deadline_us = MIN (want->first_deadline_us, deadline_us);
}

WantedChunk *
wanted_chunk_split_late (WantedChunk *want, gint64 now_us, const char *cause)
{
  WantedChunk *late = NULL;
  char hex[CHUNK_HEX_SIZE];

  if (want->first_deadline_us > now_us)
    return NULL;
  chunk_id_to_hex (&want->id, hex);
  late = wanted_chunk_new (&want->id, want->urgency, want->reach);
  fail_code (&late->error, G_IO_ERROR_TIMED_OUT, "chunk %s has not come in time%s%s", hex,
             cause ? ": " : "", cause ? cause : "");
  g_autoptr (GArray) waiters = want->waiters;
  want->waiters = g_array_new (FALSE, FALSE, sizeof (Waiter));
  want->first_deadline_us = G_MAXINT64;
  for (guint i = 0; i < waiters->len; i++)
    {
      const Waiter *waiter = &g_array_index (waiters, Waiter, i);
      wanted_chunk_add_waiter (waiter->deadline_us <= now_us ? late : want, waiter->deadline_us,
                               waiter->func, waiter->data);
    }
  return late;
}

void
wanted_chunk_move (WantedChunk *want, GQueue *queue)
{
  if (want->queue)
    g_queue_unlink (want->queue, &want->link);
  want->queue = queue;
  if (queue)
    g_queue_push_tail_link (queue, &want->link);
}

void
wanted_chunk_finish (WantedChunk *want)
{
  for (guint i = 0; i < want->waiters->len; i++)
    {
      const Waiter *waiter = &g_array_index (want->waiters, Waiter, i);
      if (waiter->func)
        waiter->func (&want->id, want->error, waiter->data);
    }
  wanted_chunk_free (want);
}
