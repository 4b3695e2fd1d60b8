// SPDX-License-Identifier: GPL-2.0-or-later
// One heartbeat to one origin, and all that follows from its answer: hosts, records, who was shut
// out.
#pragma once

#include "heartbeat.h"
#include "host-identity.h"
#include "profile-exchange.h"
#include "record-sync.h"

/* What it takes; all of it the caller's.  */
typedef struct
{
  const RecordSync *sync;
  Heartbeats *heartbeats;
  const HostIdentity *identity;
  ProfileOutbox *outbox; // may be NULL
} OriginSync;

/* Speak to ORIGIN, WITH_HOLDINGS as in heartbeats_say.  Fails if it does not answer; what goes
   wrong behind that is said in the log.  *MORE is set where there are records that could not be had
   yet, and left alone otherwise.  */
gboolean origin_sync_run (const OriginSync *self, const Host *origin, gboolean with_holdings,
                          gboolean *more, GError **error);
