// SPDX-License-Identifier: GPL-2.0-or-later
// What a host of a site does by itself: heartbeats to the origins, the records that they have and
// it has not, completing versions, and keeping its store within its limit.
#pragma once

#include "chunk-fetcher.h"
#include "host-identity.h"
#include "host-list.h"
#include "profile-exchange.h"
#include "site-client.h"

typedef struct Upkeep Upkeep;

/* Begin, as the host of IDENTITY.  OUTBOX, which may be NULL, has the boots that origins are to be
   told of.  All arguments outlive the result, and FETCHER's callbacks may come until then.  */
Upkeep *upkeep_start (const Config *config, const HostIdentity *identity, SiteClient *client,
                      HostList *list, ChunkFetcher *fetcher, ProfileOutbox *outbox, GError **error);

/* End, within some seconds: a request to another host is waited for.  */
void upkeep_stop (Upkeep *upkeep);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Upkeep, upkeep_stop)

/* What follows is safe from any thread.  */

/* Speak to the origins now, not in some seconds.  */
void upkeep_poke (Upkeep *upkeep);

/* Hear the heartbeat BODY of HOST, which came from ADDRESS; the answer.  */
JsonObject *upkeep_hear (Upkeep *upkeep, const char *host, const char *address, JsonObject *body,
                         GError **error);

/* Fetch REF, and say how far that is: see prefetch_request.  */
JsonObject *upkeep_fetch (Upkeep *upkeep, const char *ref, GError **error);

/* { "hosts": [this host, then the others, as in host.h], "trouble": why no origin answers, or null
 * }
 */
JsonObject *upkeep_hosts (Upkeep *upkeep);

/* { "versions": [{ "ref", "missing": bytes }] }: how complete this host's versions are, but for
   those that were not counted yet.  */
JsonObject *upkeep_versions (Upkeep *upkeep);
