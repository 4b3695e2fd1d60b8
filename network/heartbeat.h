// SPDX-License-Identifier: GPL-2.0-or-later
// Heartbeats: each host tells each origin every few seconds that it lives and what it has, and
// hears who else does and which records there are.
//
//   { "format": "gild-heartbeat-1", "port", "origin", "publisher", "versions", "desktops",
//     "running": as in host.h, "boots": as in boot-counts.h, may be left out, "crl": number of its
//     revocation list, 0 for none, "known": null or { "list", "reach", "holdings": number or null }
//   }
//
// and the answer:
//
//   { "format": "gild-hosts-1", "list": UUID, "reach": number, "holdings": number, "hosts": [as in
//     host.h, the answering host among them], "images": [{ "image", "serial" }], "crl": number }
//
// "known" is what the last answer had of "list", "reach" and "holdings".  Where that is still so,
// the answer has no "hosts": those that were live are live.  "holdings" is null for who does not
// want to hear yet what others have and run, which is most of what changes.
#pragma once

#include "completeness.h"
#include "host-list.h"

#define HEARTBEAT_FORMAT "gild-heartbeat-1"

typedef struct Heartbeats Heartbeats;

/* Those of this host, NAME, with what is in LIST and LIBRARY and COMPLETENESS; all of them outlive
   the result.  Safe to use from several threads.  */
Heartbeats *heartbeats_new (const Config *config, const char *name, ImageLibrary *library,
                            HostList *list, Completeness *completeness);
void heartbeats_free (Heartbeats *heartbeats);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Heartbeats, heartbeats_free)

/* The number of the revocation list of this host, which is told from now on; 0, as at first: none.
 */
void heartbeats_set_crl (Heartbeats *heartbeats, guint64 number);

/* This host, as it is now.  */
Host *heartbeats_own_host (Heartbeats *heartbeats);

/* What HOST has told of its desktops' boots since this process runs, of BootCounts, owned by the
   caller; NULL: nothing.  */
GPtrArray *heartbeats_boots (Heartbeats *heartbeats, const char *host);

/* Hear BODY of HOST at ADDRESS; the answer.  Fails, with nothing changed, with
   G_IO_ERROR_INVALID_ARGUMENT.  */
JsonObject *heartbeats_hear (Heartbeats *heartbeats, const char *host, const char *address,
                             JsonObject *body, GError **error);

/* The body for ORIGIN.  WITH_HOLDINGS: whether it is to tell of what others have and run.  */
JsonObject *heartbeats_say (Heartbeats *heartbeats, const Host *origin, gboolean with_holdings);

/* An image that an origin has records of.  */
typedef struct
{
  char *image;
  guint64 serial; // of its channel record
} HeartbeatImage;
void heartbeat_image_free (HeartbeatImage *image);

/* Take over ANSWER, ORIGIN's to heartbeats_say: the list has the hosts, *IMAGES becomes an array of
   HeartbeatImage, *CRL the number.  Nothing is taken over on failure.  */
gboolean heartbeats_take (Heartbeats *heartbeats, const Host *origin, JsonObject *answer,
                          GPtrArray **images, guint64 *crl, GError **error);
