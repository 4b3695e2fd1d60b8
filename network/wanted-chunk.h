// SPDX-License-Identifier: GPL-2.0-or-later
// One chunk that is wanted, and who waits for it.
#pragma once

#include "chunk-fetcher.h"

typedef struct FetchAsk FetchAsk;

typedef struct
{
  ChunkId id; // first, so that it is a key
  FetchUrgency urgency;
  FetchReach reach;
  gboolean is_patient;      // somebody here waits for it, also while no host has it
  GArray *waiters;          // each with its deadline
  gint64 first_deadline_us; // G_MAXINT64 where nobody waits
  ChunkTried tried;         // in this round
  guint n_refusals;         // of those, who said that they have not got it
  gint64 rest_until_us;     // before the next round
  gboolean forward;         // as it is queued
  FetchAsk *ask;            // that has it last and has not answered it, or NULL
  guint position;           // in that
  guint n_checked;          // frames of it that are being checked
  GQueue *queue;            // that LINK is in, or NULL
  GList link;
  GError *error; // at its end, NULL if it has come
} WantedChunk;

WantedChunk *wanted_chunk_new (const ChunkId *id, FetchUrgency urgency, FetchReach reach);
void wanted_chunk_free (WantedChunk *want);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WantedChunk, wanted_chunk_free)

/* FUNC, which may be NULL, waits until DEADLINE_US.  */
void wanted_chunk_add_waiter (WantedChunk *want, gint64 deadline_us, ChunkFetchedFunc func,
                              gpointer data);

/* Those of WANT that have waited until NOW_US, with an error, as a chunk of their own; NULL where
   there are none.  CAUSE is what went wrong last, or NULL.  */
WantedChunk *wanted_chunk_split_late (WantedChunk *want, gint64 now_us, const char *cause);

/* Put WANT at the end of QUEUE, or with NULL into none, instead of where it was.  */
void wanted_chunk_move (WantedChunk *want, GQueue *queue);

/* Tell all who wait, and free WANT, which is in no queue.  Without any lock.  */
void wanted_chunk_finish (WantedChunk *want);
