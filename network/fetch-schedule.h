// SPDX-License-Identifier: GPL-2.0-or-later
// What is asked of whom, and when: chunks that are wanted, the hosts that are to give them, and
// what they answer.
//
// A wanted chunk goes to one host after the other (chunk-sources.h) until one has given it.  For
// each host the chunks that are to be asked for wait in a queue (fetch-queue.h).
//
// Nothing here talks to anybody.  For one thread at a time; the caller has a lock.
#pragma once

#include "fetch-queue.h"
#include "qcow-backing/incoming-chunks.h"

typedef struct FetchSchedule FetchSchedule;

/* For the host OWN_NAME, INCOMING, which outlives the result, is looked at before anybody is asked.
 */
FetchSchedule *fetch_schedule_new (const char *own_name, IncomingChunks *incoming);
void fetch_schedule_free (FetchSchedule *schedule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FetchSchedule, fetch_schedule_free)

/* Owned by SCHEDULE.  */
ChunkSources *fetch_schedule_sources (FetchSchedule *schedule);
ChunkSource *fetch_schedule_source (FetchSchedule *schedule, guint number);

/* As chunk_fetcher_want, until DEADLINE_US.  */
void fetch_schedule_want (FetchSchedule *schedule, const ChunkId *id, FetchUrgency urgency,
                          FetchReach reach, gint64 deadline_us, ChunkFetchedFunc func,
                          gpointer data);

/* The number of chunks that are wanted.  */
guint fetch_schedule_n_wanted (const FetchSchedule *schedule);

/* Choose hosts for what has none, and end what has waited too long.  */
void fetch_schedule_update (FetchSchedule *schedule, gint64 now_us);

/* The next request that shall be made now; NULL if there is none.  It stays until
   fetch_schedule_end.  */
FetchAsk *fetch_schedule_next (FetchSchedule *schedule, gint64 now_us);

/* ASK is answered for chunk ID: a frame has come and is being checked, or the host HAS it not.
   Fails where it was not asked for, or is answered already.  */
gboolean fetch_schedule_answer (FetchSchedule *schedule, FetchAsk *ask, const ChunkId *id,
                                gboolean has, GError **error);

/* The frame for chunk ID that SOURCE has sent was checked.  With CHUNK_IS_BAD the host is struck.
   ERROR is the chunk's.  */
typedef enum
{
  FETCH_GOOD,
  FETCH_BAD,
  FETCH_NOT_WRITTEN,
} FetchCheck;
void fetch_schedule_checked (FetchSchedule *schedule, const ChunkId *id, ChunkSource *source,
                             FetchCheck check, const GError *error, gint64 now_us);

/* The host of ASK has been quiet for longer than anybody should wait, and may yet answer: what
   somebody waits for is asked of the others as well, until the host's doubted_us is 0 again.  May
   be called as often as wanted.  */
void fetch_schedule_doubt (FetchSchedule *schedule, FetchAsk *ask, gint64 now_us);

/* ASK is over, and freed; what it has not answered goes elsewhere.  TROUBLE, a sentence, or NULL
   where all went well, strikes its host.  */
void fetch_schedule_end (FetchSchedule *schedule, FetchAsk *ask, const char *trouble,
                         StrikeKind strike, gint64 now_us);

/* End all that is wanted, with ERROR.  */
void fetch_schedule_cancel (FetchSchedule *schedule, const GError *error);

/* The chunks that have ended since the last call, for wanted_chunk_finish; NULL for none.  */
GPtrArray *fetch_schedule_take_ended (FetchSchedule *schedule);
