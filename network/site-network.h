// SPDX-License-Identifier: GPL-2.0-or-later
// This host among the others of its site: what gildd owns of the network, in one.
#pragma once

#include "chunk-fetcher.h"
#include "profile-exchange.h"
#include "upkeep.h"

typedef struct SiteNetwork SiteNetwork;

/* Answer the other hosts, fetch from them, and keep in touch, as what STATE/site says that this
   host is.  G_IO_ERROR_NOT_FOUND where it belongs to no site yet.  OUTBOX has what the boots here
   have read.  Both arguments outlive the result.  */
SiteNetwork *site_network_start (const Config *config, ProfileOutbox *outbox, GError **error);

/* End, within some seconds.  */
void site_network_stop (SiteNetwork *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SiteNetwork, site_network_stop)

/* This host's name, and its parts; all owned by NETWORK.  */
const char *site_network_name (const SiteNetwork *network);
ChunkFetcher *site_network_fetcher (const SiteNetwork *network);
Upkeep *site_network_upkeep (const SiteNetwork *network);

/* A desktop is about to boot from IMAGE@VERSION: what boots of it read is fetched first.  Returns
   at once.  */
void site_network_expect_boot (SiteNetwork *network, const char *image, guint version);

/* On a publisher: shut host NAME out of the site, here at once and at every host that is told so
   within a few seconds, by a thread that this leaves behind; the others hear of it by their next
   heartbeat.  Errors as of admission_remove.  */
gboolean site_network_remove_host (SiteNetwork *network, const char *name, GError **error);
