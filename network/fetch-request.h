// SPDX-License-Identifier: GPL-2.0-or-later
// One request for chunks on its way: POST /store, and the records of the answer as they come.
//
// Nothing that the other host sends is believed: it has to be a 200 of the right type, records of
// chunks that were asked for, each once, and to go on.  All calls are of the thread that runs the
// multi handle.
#pragma once

#include "fetch-queue.h"
#include "site-client.h"

typedef struct FetchRequest FetchRequest;

typedef struct
{
  /* FRAME has come for chunk ID, or is NULL where the host has not got it.  Fails where that was
     not asked for.  */
  gboolean (*take) (gpointer data, FetchAsk *ask, const ChunkId *id, const guint8 *frame,
                    gsize size, GError **error);
  /* Whether nothing can be taken for now: the request then waits for fetch_request_resume.  */
  gboolean (*is_full) (gpointer data);
  gpointer data;
} FetchRequestCalls;

/* Begin to ask for what ASK says, in MULTI; the host has PATIENCE_US to connect, as long for TLS,
   and to send each next record.  CALLS and ASK outlive the result.  */
FetchRequest *fetch_request_start (SiteClient *client, CURLM *multi, FetchAsk *ask,
                                   gint64 patience_us, const FetchRequestCalls *calls);

/* End it where it is.  */
void fetch_request_free (FetchRequest *request);

FetchAsk *fetch_request_ask (FetchRequest *request);

/* The request that EASY is.  */
FetchRequest *fetch_request_of (CURL *easy);

/* Go on if it waits since there was no room.  */
void fetch_request_resume (FetchRequest *request, gint64 now_us);

/* Nobody has listened for a while: its silence counts from NOW_US.  */
void fetch_request_excuse (FetchRequest *request, gint64 now_us);

/* How long the host has been silent, or too slow: not worth a word; too long for somebody who
   waits; too long for a host that is there.  */
typedef enum
{
  FETCH_GOES_ON,
  FETCH_IS_QUIET,
  FETCH_IS_DEAD,
} FetchSilence;
FetchSilence fetch_request_silence (const FetchRequest *request, gint64 now_us);

/* When the host last said something; 0: never yet.  */
gint64 fetch_request_heard_us (const FetchRequest *request);

/* The transfer has ended with CODE: whether all was answered as it should be.  On failure *STRIKE
   is what the host deserves.  */
gboolean fetch_request_check (FetchRequest *request, CURLcode code, StrikeKind *strike,
                              GError **error);
