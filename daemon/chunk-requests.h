// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that nbdkit lacks: POST /chunks/ID/fetch, answered when the chunk can be read.
#pragma once

#include "control-server.h"
#include "damage-check.h"
#include "network/chunk-fetcher.h"

typedef struct ChunkRequests ChunkRequests;

/* Answer for the images of CONFIG, which outlives the result; CHECK goes before it.  */
ChunkRequests *chunk_requests_new (const Config *config, DamageCheck *check);
void chunk_requests_free (ChunkRequests *requests);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkRequests, chunk_requests_free)

/* Chunks come by FETCHER from now on, or with NULL from nowhere; it outlives that.  From any
   thread.  */
void chunk_requests_set_fetcher (ChunkRequests *requests, ChunkFetcher *fetcher);

/* A ControlStart, but for its data: NAME is the chunk's id, and BODY { "image": IMAGE@VERSION,
   "position": in that version's disk, in chunks }, and "damaged": true where the chunk is there and
   cannot be read, so that it is looked at and set aside before.  The answer is {}, at the latest
   after the configured deadline; an error where there is nobody to ask is told at once.  */
void chunk_requests_start (ChunkRequests *requests, const char *name, JsonObject *body,
                           ControlReply *reply);
