// SPDX-License-Identifier: GPL-2.0-or-later
// What this host answers to the other hosts of its site: HTTPS, with a certificate on both sides.
//
//   GET  /store/XXXX/ID.cacnk        a chunk as it lies in the store, which is thus a casync store
//   POST /store                      many chunks in one answer (chunk-stream.h)
//   GET  /images/D/N/FILE            channels.json.sig, V.json.sig, V.profile; by department
//   POST /images/D/N/V.profile       what the boots of a version read
//   POST /hosts/heartbeat            who is alive
//   GET  /crl.pem, PUT /crl.pem      which hosts were removed
//   POST /join                       the only one without a certificate
//
// A connection costs memory and time, so there is a bound on everything: connections, of one
// address and in all; new ones a second; the size of a request, and the time for it.
#pragma once

#include <json-glib/json-glib.h>

#include "chunk-fetcher.h"
#include "host-identity.h"
#include "qcow-backing/config.h"

typedef struct SiteServer SiteServer;

/* What the server asks the rest of gildd.  All are called in one of its threads, several at a time,
   with DATA, and other hosts wait for them: they may do short work on the disk.  They outlive the
   server, WANT also what it was called for.  Objects that they return are the server's.  For an
   error the other host is told its sentence where it is G_IO_ERROR_INVALID_ARGUMENT (400),
   _PERMISSION_DENIED (403), _NOT_FOUND (404) or _EXISTS (409); any other is logged, and the host
   told that there is trouble (500).  */
typedef struct
{
  gpointer data;

  /* Fetch chunk ID, which is not here, from the origins, and call DONE with DONE_DATA exactly once,
     in any thread, perhaps before this returns.  AHEAD: nobody waits for it yet.  */
  void (*want) (gpointer data, const ChunkId *id, gboolean ahead, ChunkFetchedFunc done,
                gpointer done_data);

  /* HOST, which has a certificate for that name, is alive, at ADDRESS.  BODY says it is
     gild-heartbeat-1, and nothing else of it was looked at.  */
  JsonObject *(*heartbeat) (gpointer data, const char *host, const char *address, JsonObject *body,
                            GError **error);

  /* Somebody at ADDRESS, who may be anybody, wants to join.  BODY says it is gild-join-1.  */
  JsonObject *(*join) (gpointer data, const char *address, JsonObject *body, GError **error);

  /* HOST, which may have IMAGE, has recorded BODY, which says it is gild-profile-1.  */
  gboolean (*take_profile) (gpointer data, const char *host, const char *image, guint version,
                            JsonObject *body, GError **error);

  /* A host of the site sends a list of revoked certificates, which says of itself who made it.  */
  gboolean (*take_crl) (gpointer data, const char *pem, gsize size, GError **error);
} SiteServerCalls;

/* Answer at the address and port of CONFIG as IDENTITY, from the store and the images of CONFIG,
   until it is freed.  CONFIG and CALLS outlive it.  */
SiteServer *site_server_new (const Config *config, const HostIdentity *identity,
                             const SiteServerCalls *calls, GError **error);
void site_server_free (SiteServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SiteServer, site_server_free)
