// SPDX-License-Identifier: GPL-2.0-or-later
// Getting chunks from other hosts.
//
// What is wanted and whom to ask is fetch-schedule's, below a lock; the connections are one
// thread's, in a curl multi handle; frames are checked and written by chunk-intake's threads. Who
// waits for a chunk is told by the thread that has written it, without a detour.  The lock is never
// held while anything is waited for, nor while anybody is told.

#include "chunk-fetcher.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "chunk-intake.h"
#include "fetch-request.h"
#include "fetch-schedule.h"
#include "qcow-backing/fail.h"

#define PATIENCE_USEC      G_USEC_PER_SEC       // to connect, and for each record
#define LAST_PATIENCE_USEC (5 * G_USEC_PER_SEC) // where nobody could take an origin's place
#define LOOK_MSEC          100                  // how often silence and deadlines are looked at
#define IDLE_MSEC          600000
#define STALL_USEC         (LOOK_MSEC * 3000) // this thread was kept from listening itself
#define HOSTS_USEC         G_USEC_PER_SEC     // how often the list of hosts is taken
#define INTAKE_MAX         (8u << 20)         // bytes that may wait to be written
#define CONNECTIONS_KEPT   256L // some to each of the others, who would all be greeted anew

struct ChunkFetcher
{
  SiteClient *client;
  HostList *list;
  ChunkStore *store;
  IncomingChunks *incoming;
  ChunkIntake *intake;
  FetchRequestCalls calls;
  GThread *thread;
  CURLM *multi;        // the thread's, as what follows
  GPtrArray *requests; // of FetchRequest *
  gint64 hosts_us;     // when the list was taken, and which
  guint64 hosts_reach;
  gboolean is_paused; // atomic: some requests wait for the intake
  GMutex lock;        // guards what follows
  FetchSchedule *schedule;
  ChunkFetcherStats stats;
  gboolean is_awake, is_ending; // is_awake: the thread will look before it sleeps
};

/* Tell those who waited for ENDED, which may be NULL.  Without the lock.  */
static void
tell (ChunkFetcher *fetcher, GPtrArray *ended)
{
  if (!ended)
    return;
  g_ptr_array_set_free_func (ended, NULL);
  for (guint i = 0; i < ended->len; i++)
    wanted_chunk_finish (ended->pdata[i]);
  g_ptr_array_unref (ended);
}

static GPtrArray *
take_ended (ChunkFetcher *fetcher)
{
  GPtrArray *ended = fetch_schedule_take_ended (fetcher->schedule);

  for (guint i = 0; ended && i < ended->len; i++)
    fetcher->stats.failed += ((WantedChunk *)ended->pdata[i])->error != NULL;
  return ended;
}

/* Have the thread look at the schedule.  With the lock.  */
static void
wake (ChunkFetcher *fetcher)
{
  if (fetcher->is_awake)
    return;
  fetcher->is_awake = TRUE;
  curl_multi_wakeup (fetcher->multi);
}

/* In a thread of the intake.  */
static void
on_checked (const ChunkId *id, gsize size, guint tag, ChunkIntakeResult result, const GError *error,
            gpointer data)
{
  static const FetchCheck CHECKS[] = { [CHUNK_IS_TAKEN] = FETCH_GOOD,
                                       [CHUNK_IS_BAD] = FETCH_BAD,
                                       [CHUNK_NOT_WRITTEN] = FETCH_NOT_WRITTEN };
  ChunkFetcher *fetcher = data;

  g_mutex_lock (&fetcher->lock);
  ChunkSource *source = fetch_schedule_source (fetcher->schedule, tag);
  fetcher->stats.chunks += result == CHUNK_IS_TAKEN;
  fetcher->stats.bad_chunks += result == CHUNK_IS_BAD;
  *(source->host->is_origin ? &fetcher->stats.origin_bytes : &fetcher->stats.peer_bytes) += size;
  fetch_schedule_checked (fetcher->schedule, id, source, CHECKS[result], error,
                          g_get_monotonic_time ());
  if (result == CHUNK_IS_BAD
      || (g_atomic_int_get (&fetcher->is_paused)
          && chunk_intake_pending (fetcher->intake) < INTAKE_MAX / 2))
    wake (fetcher);
  GPtrArray *ended = take_ended (fetcher);
  g_mutex_unlock (&fetcher->lock);
  tell (fetcher, ended);
}

/* A record has come; in the thread, within curl_multi_perform.  */
static gboolean
take_record (gpointer data, FetchAsk *ask, const ChunkId *id, const guint8 *frame, gsize size,
             GError **error)
{
  ChunkFetcher *fetcher = data;

  g_mutex_lock (&fetcher->lock);
  gboolean ok = fetch_schedule_answer (fetcher->schedule, ask, id, frame != NULL, error);
  g_mutex_unlock (&fetcher->lock);
  if (ok && frame)
    chunk_intake_add (fetcher->intake, id, frame, size, ask->source->number);
  return ok;
}

static gboolean
is_full (gpointer data)
{
  ChunkFetcher *fetcher = data;

  if (chunk_intake_pending (fetcher->intake) < INTAKE_MAX)
    return FALSE;
  g_atomic_int_set (&fetcher->is_paused, TRUE);
  // The intake may have caught up before it could see that.
  return chunk_intake_pending (fetcher->intake) >= INTAKE_MAX;
}

/* Go on with what waits for the intake.  */
static void
resume_requests (ChunkFetcher *fetcher, gint64 now_us)
{
  if (!g_atomic_int_get (&fetcher->is_paused)
      || chunk_intake_pending (fetcher->intake) >= INTAKE_MAX / 2)
    return;
  g_atomic_int_set (&fetcher->is_paused, FALSE);
  for (guint i = 0; i < fetcher->requests->len; i++)
    fetch_request_resume (fetcher->requests->pdata[i], now_us);
}

/* With the lock, from here on to end_request.  */
static void
take_hosts (ChunkFetcher *fetcher, gint64 now_us)
{
  guint64 reach = host_list_generation (fetcher->list).reach;

  if (reach == fetcher->hosts_reach && fetcher->hosts_us + HOSTS_USEC > now_us)
    return;
  g_autoptr (GPtrArray) hosts = host_list_get (fetcher->list);
  chunk_sources_set_hosts (fetch_schedule_sources (fetcher->schedule), hosts);
  fetcher->hosts_us = now_us;
  fetcher->hosts_reach = reach;
}

static void
start_requests (ChunkFetcher *fetcher, gint64 now_us)
{
  ChunkSources *sources = fetch_schedule_sources (fetcher->schedule);
  FetchAsk *ask;

  while ((ask = fetch_schedule_next (fetcher->schedule, now_us)))
    {
      gboolean is_last = chunk_sources_is_last_origin (sources, ask->source, now_us);
      g_ptr_array_add (fetcher->requests,
                       fetch_request_start (fetcher->client, fetcher->multi, ask,
                                            is_last ? LAST_PATIENCE_USEC : PATIENCE_USEC,
                                            &fetcher->calls));
    }
}

/* TROUBLE is NULL where all went well.  */
static void
end_request (ChunkFetcher *fetcher, FetchRequest *request, const char *trouble, StrikeKind strike,
             gint64 now_us)
{
  FetchAsk *ask = fetch_request_ask (request);

  g_ptr_array_remove_fast (fetcher->requests, request);
  fetch_request_free (request);
  fetch_schedule_end (fetcher->schedule, ask, trouble, strike, now_us);
}

/* Requests that have ended by themselves.  */
static void
end_finished (ChunkFetcher *fetcher, gint64 now_us)
{
  CURLMsg *message;
  int left;

  while ((message = curl_multi_info_read (fetcher->multi, &left)))
    {
      FetchRequest *request = fetch_request_of (message->easy_handle);
      g_autoptr (GError) error = NULL;
      StrikeKind strike;
      gboolean ok = fetch_request_check (request, message->data.result, &strike, &error);
      end_request (fetcher, request, ok ? NULL : error->message, strike, now_us);
    }
}

/* Whether the host of REQUEST was found to be bad since it began.  */
static gboolean
is_condemned (FetchRequest *request, gint64 now_us)
{
  const FetchAsk *ask = fetch_request_ask (request);

  return chunk_source_is_struck (ask->source, now_us) && ask->source->strike == STRIKE_BAD
         && ask->source->struck_us > ask->started_us;
}

/* Requests whose host is not worth waiting for.  */
static void
end_hopeless (ChunkFetcher *fetcher, gint64 now_us)
{
  for (guint i = fetcher->requests->len; i-- > 0;)
    {
      FetchRequest *request = fetcher->requests->pdata[i];
      FetchAsk *ask = fetch_request_ask (request);
      FetchSilence silence = fetch_request_silence (request, now_us);
      if (is_condemned (request, now_us))
        end_request (fetcher, request, "it has sent a bad chunk", STRIKE_BAD, now_us);
      else if (silence == FETCH_IS_DEAD)
        end_request (fetcher, request, "it is silent, or too slow", STRIKE_SILENT, now_us);
      else if (silence == FETCH_IS_QUIET)
        fetch_schedule_doubt (fetcher->schedule, ask, now_us);
      else if (fetch_request_heard_us (request) > ask->source->doubted_us)
        ask->source->doubted_us = 0;
    }
}

/* One turn.  The time to sleep after it, in milliseconds; -1 at the end.  */
static int
turn (ChunkFetcher *fetcher, gint64 now_us)
{
  g_mutex_lock (&fetcher->lock);
  end_finished (fetcher, now_us);
  end_hopeless (fetcher, now_us);
  take_hosts (fetcher, now_us);
  fetch_schedule_update (fetcher->schedule, now_us);
  start_requests (fetcher, now_us);
  gboolean has_work = fetcher->requests->len > 0 || fetch_schedule_n_wanted (fetcher->schedule) > 0;
  gboolean is_ending = fetcher->is_ending;
  fetcher->is_awake = FALSE;
  GPtrArray *ended = take_ended (fetcher);
  g_mutex_unlock (&fetcher->lock);
  tell (fetcher, ended);
  return is_ending ? -1 : has_work ? LOOK_MSEC : IDLE_MSEC;
}

static gpointer
run (gpointer data)
{
  ChunkFetcher *fetcher = data;
  gint64 slept_us = g_get_monotonic_time ();
  int running, sleep_msec;

  do
    {
      gint64 now_us = g_get_monotonic_time ();
      for (guint i = 0; now_us - slept_us > STALL_USEC && i < fetcher->requests->len; i++)
        fetch_request_excuse (fetcher->requests->pdata[i], now_us);
      slept_us = now_us;
      resume_requests (fetcher, now_us);
      curl_multi_perform (fetcher->multi, &running);
      sleep_msec = turn (fetcher, g_get_monotonic_time ());
      if (sleep_msec >= 0)
        curl_multi_poll (fetcher->multi, NULL, 0, sleep_msec, NULL);
      if (fetcher->requests->len == 0)
        slept_us = g_get_monotonic_time ();
    }
  while (sleep_msec >= 0);
  return NULL;
}

static ChunkStore *
open_store (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "store.castr", NULL);

  if (mkdir (path, 0750) < 0 && errno != EEXIST)
    {
      fail_errno (error, "make %s", path);
      return NULL;
    }
  return chunk_store_open (path, error);
}

ChunkFetcher *
chunk_fetcher_new (const Config *config, SiteClient *client, HostList *list, GError **error)
{
  g_autoptr (ChunkFetcher) fetcher = g_new0 (ChunkFetcher, 1);

  g_mutex_init (&fetcher->lock);
  fetcher->client = client;
  fetcher->list = list;
  fetcher->requests = g_ptr_array_new ();
  fetcher->calls = (FetchRequestCalls){ take_record, is_full, fetcher };
  fetcher->store = open_store (config, error);
  fetcher->incoming = fetcher->store ? incoming_chunks_new (fetcher->store, error) : NULL;
  fetcher->intake =
      fetcher->incoming ? chunk_intake_new (fetcher->incoming, on_checked, fetcher, error) : NULL;
  if (!fetcher->intake)
    return NULL;
  fetcher->schedule = fetch_schedule_new (site_client_name (client), fetcher->incoming);
  fetcher->multi = curl_multi_init ();
  curl_multi_setopt (fetcher->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
  fetcher->thread = g_thread_new ("fetcher", run, fetcher);
  return g_steal_pointer (&fetcher);
}

/* End the thread, then what waits.  */
static void
end_thread (ChunkFetcher *fetcher)
{
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&fetcher->lock);
  fetcher->is_ending = TRUE;
  wake (fetcher);
  g_mutex_unlock (&fetcher->lock);
  g_thread_join (fetcher->thread);
  while (fetcher->requests->len > 0)
    end_request (fetcher, fetcher->requests->pdata[0], NULL, STRIKE_SILENT, 0);
  g_clear_pointer (&fetcher->intake, chunk_intake_free); // its threads look at the schedule
  fail_code (&error, G_IO_ERROR_CANCELLED, "gildd is ending");
  fetch_schedule_cancel (fetcher->schedule, error);
  tell (fetcher, take_ended (fetcher));
}

void
chunk_fetcher_free (ChunkFetcher *fetcher)
{
  if (!fetcher)
    return;
  if (fetcher->thread)
    end_thread (fetcher);
  g_clear_pointer (&fetcher->multi, curl_multi_cleanup);
  fetch_schedule_free (fetcher->schedule);
  chunk_intake_free (fetcher->intake);
  incoming_chunks_free (fetcher->incoming);
  chunk_store_free (fetcher->store);
  g_ptr_array_unref (fetcher->requests);
  g_mutex_clear (&fetcher->lock);
  g_free (fetcher);
}

void
chunk_fetcher_set_origin (ChunkFetcher *fetcher, gboolean is_origin)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fetcher->lock);

  chunk_sources_set_origin (fetch_schedule_sources (fetcher->schedule), is_origin);
}

void
chunk_fetcher_want (ChunkFetcher *fetcher, const ChunkId *id, FetchUrgency urgency,
                    FetchReach reach, guint deadline_seconds, ChunkFetchedFunc func, gpointer data)
{
  gint64 deadline_us = g_get_monotonic_time () + (gint64)deadline_seconds * G_USEC_PER_SEC;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fetcher->lock);

  fetch_schedule_want (fetcher->schedule, id, urgency, reach, deadline_us, func, data);
  wake (fetcher);
}

gboolean
chunk_fetcher_flush (ChunkFetcher *fetcher, GError **error)
{
  return incoming_chunks_flush (fetcher->incoming, error);
}

void
chunk_fetcher_stats (ChunkFetcher *fetcher, ChunkFetcherStats *stats)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fetcher->lock);

  *stats = fetcher->stats;
  stats->wanted = fetch_schedule_n_wanted (fetcher->schedule);
}
