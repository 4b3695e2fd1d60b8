// SPDX-License-Identifier: GPL-2.0-or-later
// Completing versions: what `gild fetch` asks for, and by itself what this host keeps for others or
// what its desktops are going to boot.
//
// A thread fetches one version after the other.  By itself it does so when the configuration lets
// it
// ([fetch] prefetch=, night=, day-limit=), and not past [store] limit=.
#pragma once

#include "completeness.h"
#include "record-sync.h"

typedef struct Prefetch Prefetch;

/* SYNC, with what is in it, and COMPLETENESS outlive the result.  */
Prefetch *prefetch_start (const Config *config, const RecordSync *sync, Completeness *completeness);

/* Waits for the thread, which ends soon after *SYNC->cancelled is set: by the caller, before.  */
void prefetch_stop (Prefetch *prefetch);

/* Fetch REF, IMAGE or IMAGE@VERSION, and say how far that is:
     { "image": REF, "version": number or null, "state": "waiting", "fetching", "complete" or
       "failed", "total": bytes, "missing": bytes, "error": sentence or null }
   Who wants it asks again within FETCH_POLL_SECONDS; what nobody asks for any more is given up.  */
#define FETCH_POLL_SECONDS 10
JsonObject *prefetch_request (Prefetch *prefetch, const char *ref, GError **error);

/* Look again at what is to be fetched by itself; soon, not now.  */
void prefetch_poke (Prefetch *prefetch);
