// SPDX-License-Identifier: GPL-2.0-or-later
// One request for chunks on its way: POST /store, and the records of the answer as they come.

#include "fetch-request.h"

#include <string.h>

#include "chunk-stream.h"
#include "qcow-backing/fail.h"

#define PROGRESS_BYTES 16384 // what a slow link has to bring in the time of one record
#define WAITING_USEC   (15 * G_USEC_PER_SEC) // how long "still waiting" is believed
#define DEAD_USEC      (4 * G_USEC_PER_SEC)  // see fetch_request_silence
#define REFUSAL_MAX    65536u                // bytes of an answer that is no 200
#define BUFFER_SIZE    (256L << 10)

struct FetchRequest
{
  FetchAsk *ask;
  const FetchRequestCalls *calls;
  CURLM *multi;
  CURL *easy;
  struct curl_slist *connect_to, *head;
  char *body;
  ChunkStreamReader *reader;
  GError *error; // what the answer does wrong
  char detail[CURL_ERROR_SIZE];
  gint64 patience_us;
  gint64 progress_us; // when it last went on: a record came, or PROGRESS_BYTES
  gint64 heard_us;    // the same, but that it counts from 0 and is never excused
  gint64 answer_us;   // when a chunk was last answered, or the request began
  gsize new_bytes;    // since progress_us
  gsize refusal_bytes;
  gboolean is_paused, is_good; // is_good: a 200 of the right type
};

static void
go_on (FetchRequest *request)
{
  request->progress_us = request->heard_us = g_get_monotonic_time ();
  request->new_bytes = 0;
}

static gboolean
take_record (ChunkRecordKind kind, const ChunkId *id, const guint8 *frame, gsize size,
             gpointer data, GError **error)
{
  FetchRequest *request = data;

  go_on (request);
  if (kind == CHUNK_RECORD_WAITING)
    return TRUE;
  request->answer_us = request->progress_us;
  return request->calls->take (request->calls->data, request->ask, id, frame, size, error);
}

/* Whether the head of the answer is that of chunks.  */
static gboolean
check_head (FetchRequest *request)
{
  const char *type = NULL;
  long status = 0;

  if (request->is_good)
    return TRUE;
  curl_easy_getinfo (request->easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo (request->easy, CURLINFO_CONTENT_TYPE, &type);
  request->is_good = status == 200 && g_strcmp0 (type, CHUNK_STREAM_TYPE) == 0;
  return request->is_good;
}

static gsize
take_bytes (char *bytes, gsize unit, gsize count, void *data)
{
  FetchRequest *request = data;
  gsize size = unit * count;

  if (!check_head (request))
    {
      request->refusal_bytes += size;
      return request->refusal_bytes <= REFUSAL_MAX ? size : 0;
    }
  if (request->calls->is_full (request->calls->data))
    {
      request->is_paused = TRUE;
      return CURL_WRITEFUNC_PAUSE;
    }
  request->new_bytes += size;
  if (request->new_bytes >= PROGRESS_BYTES)
    go_on (request);
  return chunk_stream_reader_add (request->reader, (const guint8 *)bytes, size, &request->error)
             ? size
             : 0;
}

/* It is connected, and the request goes out.  */
static int
on_connected (void *data, char *remote, char *local, int remote_port, int local_port)
{
  FetchRequest *request = data;

  request->progress_us = g_get_monotonic_time ();
  return CURL_PREREQFUNC_OK;
}

static void
set_options (FetchRequest *request)
{
  CURL *easy = request->easy;

  curl_easy_setopt (easy, CURLOPT_PRIVATE, request);
  curl_easy_setopt (easy, CURLOPT_HTTPHEADER, request->head);
  curl_easy_setopt (easy, CURLOPT_POSTFIELDSIZE, (long)strlen (request->body));
  curl_easy_setopt (easy, CURLOPT_POSTFIELDS, request->body);
  curl_easy_setopt (easy, CURLOPT_ERRORBUFFER, request->detail);
  curl_easy_setopt (easy, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
  curl_easy_setopt (easy, CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt (easy, CURLOPT_WRITEDATA, request);
  curl_easy_setopt (easy, CURLOPT_PREREQFUNCTION, on_connected);
  curl_easy_setopt (easy, CURLOPT_PREREQDATA, request);
  curl_easy_setopt (easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(WAITING_USEC / 1000)); // TLS included
}

FetchRequest *
fetch_request_start (SiteClient *client, CURLM *multi, FetchAsk *ask, gint64 patience_us,
                     const FetchRequestCalls *calls)
{
  FetchRequest *request = g_new0 (FetchRequest, 1);

  request->ask = ask;
  request->calls = calls;
  request->multi = multi;
  request->patience_us = patience_us;
  request->progress_us = request->answer_us = g_get_monotonic_time ();
  request->body = chunk_want_to_json (&ask->want);
  request->reader = chunk_stream_reader_new (take_record, request);
  request->head = curl_slist_append (NULL, "Content-Type: application/json");
  request->easy = curl_easy_init ();
  request->connect_to = site_client_prepare (client, request->easy, ask->source->host, "/store");
  set_options (request);
  curl_multi_add_handle (multi, request->easy);
  return request;
}

void
fetch_request_free (FetchRequest *request)
{
  curl_multi_remove_handle (request->multi, request->easy);
  curl_easy_cleanup (request->easy);
  curl_slist_free_all (request->connect_to);
  curl_slist_free_all (request->head);
  chunk_stream_reader_free (request->reader);
  g_clear_error (&request->error);
  g_free (request->body);
  g_free (request);
}

FetchAsk *
fetch_request_ask (FetchRequest *request)
{
  return request->ask;
}

FetchRequest *
fetch_request_of (CURL *easy)
{
  char *request = NULL;

  curl_easy_getinfo (easy, CURLINFO_PRIVATE, &request);
  return (FetchRequest *)(gpointer)request;
}

void
fetch_request_excuse (FetchRequest *request, gint64 now_us)
{
  request->progress_us = request->answer_us = now_us;
}

void
fetch_request_resume (FetchRequest *request, gint64 now_us)
{
  if (!request->is_paused)
    return;
  request->is_paused = FALSE;
  fetch_request_excuse (request, now_us);
  curl_easy_pause (request->easy, CURLPAUSE_CONT);
}

/* A host whose cores all have other work is quiet for seconds, and is there; so is one behind a
   link that is full and drops what would connect, which TCP sends again after 1 s and after 3 s
   (RFC 6298).  */
FetchSilence
fetch_request_silence (const FetchRequest *request, gint64 now_us)
{
  gint64 silent_us = now_us - request->progress_us;

  if (request->is_paused)
    return FETCH_GOES_ON;
  if (now_us - request->answer_us > WAITING_USEC)
    return FETCH_IS_DEAD;
  if (silent_us <= request->patience_us)
    return FETCH_GOES_ON;
  return silent_us > DEAD_USEC ? FETCH_IS_DEAD : FETCH_IS_QUIET;
}

gint64
fetch_request_heard_us (const FetchRequest *request)
{
  return request->heard_us;
}

gboolean
fetch_request_check (FetchRequest *request, CURLcode code, StrikeKind *strike, GError **error)
{
  long status = 0;

  *strike = STRIKE_SILENT;
  if (request->error)
    {
      *strike = STRIKE_BAD;
      return fail (error, "%s", request->error->message);
    }
  if (code
      == CURLE_COULDNT_CONNECT) // the detail may be that of a kept connection that was tried first
    return fail (error, "%s", curl_easy_strerror (code));
  if (code != CURLE_OK)
    return fail (error, "%s", *request->detail ? request->detail : curl_easy_strerror (code));
  curl_easy_getinfo (request->easy, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200)
    return fail (error, "it answers with status %ld", status);
  if (!check_head (request))
    return fail (error, "its answer is no chunks");
  return (request->ask->n_answered == request->ask->want.n_chunks
          && chunk_stream_reader_end (request->reader, NULL))
         || fail (error, "its answer ends too early");
}
