// SPDX-License-Identifier: GPL-2.0-or-later
// One request of another host, from its head to its answer.
#pragma once

#include <microhttpd.h>

#include "address-limit.h"
#include "chunk-sender.h"
#include "site-peers.h"
#include "site-route.h"

/* What requests are answered from; the server's, whose calls are thread safe.  */
typedef struct
{
  const Config *config;
  const SiteServerCalls *calls;
  char *crl_path;
  SitePeers *peers;
  SiteClock *clock;
  ChunkSender *sender;
  AddressLimit *joins; // of each address
} SiteAnswers;

typedef struct SiteRequest SiteRequest;

/* METHOD on PATH, of PEER on CONNECTION, of which there is the head by now.  Where the request is
   refused the answer is queued, and *RESULT is what to tell libmicrohttpd; it is MHD_YES otherwise.
   */
SiteRequest *site_request_new (const SiteAnswers *answers, struct MHD_Connection *connection,
                               SitePeer *peer, const char *method, const char *path,
                               enum MHD_Result *result);
void site_request_free (SiteRequest *request);

/* A piece of the body.  FALSE: it is too long, and the connection to be closed.  */
gboolean site_request_add (SiteRequest *request, const char *piece, gsize size);

/* Answer the request, which is there to its last byte.  */
enum MHD_Result site_request_answer (SiteRequest *request);
