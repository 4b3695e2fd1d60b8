// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks for other hosts: those that are here, and those that are fetched on their behalf.
#pragma once

#include <microhttpd.h>

#include "chunk-stream.h"
#include "qcow-backing/chunk-store.h"
#include "site-clock.h"
#include "site-server.h"

typedef struct ChunkSender ChunkSender;

/* A sender of the chunks in STORE, which it takes over, of at most UPLOAD_LIMIT bytes a second to
   all together (0: no limit).  CALLS->want fetches.  Reference counted.  */
ChunkSender *chunk_sender_new (ChunkStore *store, guint64 upload_limit, SiteClock *clock,
                               const SiteServerCalls *calls);
ChunkSender *chunk_sender_ref (ChunkSender *sender);
void chunk_sender_unref (ChunkSender *sender);

/* The answer on CONNECTION to a host that wants WANT, to be queued.  Begins to fetch at once.  */
struct MHD_Response *chunk_sender_stream (ChunkSender *sender, struct MHD_Connection *connection,
                                          const ChunkWant *want);

typedef enum
{
  CHUNK_SENDER_DONE,    // *RESPONSE is to be queued
  CHUNK_SENDER_WAITS,   // the connection was suspended: ask again when it goes on
  CHUNK_SENDER_MISSING, // this host has not got it
} ChunkSenderResult;

/* The answer to a host that wants chunk ID alone, as it lies in the store.  WAIT is of its request.
 */
ChunkSenderResult chunk_sender_send (ChunkSender *sender, SiteWait *wait, const ChunkId *id,
                                     struct MHD_Response **response);
