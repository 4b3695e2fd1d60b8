// SPDX-License-Identifier: GPL-2.0-or-later
// Who belongs to the site: on the publisher, invitations, hosts that join, and hosts that are
// removed.
//
// STATE/site/invitations/HEX.json, HEX being the SHA-256 of the invitation's secret, is an
// invitation that stands: { "format": "gild-invitation-1", "expires": ISO 8601 in UTC }.  HEX.used
// beside it, or alone, says that it was used.  All of this is for the user gild, who owns it.
#pragma once

#include <json-glib/json-glib.h>

#include "qcow-backing/config.h"

#define ADMISSION_SECONDS_MAX (30u * 24 * 3600)
#define ADMISSION_OPEN_MAX    1000 // invitations that stand

/* What joining sends, and is answered.  */
#define ADMISSION_REQUEST_FORMAT "gild-join-1"
#define ADMISSION_ANSWER_FORMAT  "gild-joined-1"

/* Make an invitation that is valid for SECONDS.  Answers { "secret": base64url, "expires" }.  */
JsonObject *admission_invite (const Config *config, guint seconds, GError **error);

/* Let in who asks from ADDRESS with BODY:
       { "format": "gild-join-1", "secret", "name", "request": PKCS #10 as PEM }
   An invitation works once, and stays if it is not the reason why the host is refused.  Answers
       { "format": "gild-joined-1", "site": { "name", "uuid" }, "public_key": the text of site.pub,
         "certificate": PEM, "crl": PEM or null, "hosts": as in hosts.json,
         "images": [{ "image", "serial" }] that it may have }
   Fails with G_IO_ERROR_INVALID_ARGUMENT for what is no such request, _PERMISSION_DENIED where
   there is no invitation, _EXISTS where the name is taken.  */
JsonObject *admission_join (const Config *config, const char *address, JsonObject *body,
                            GError **error);

/* Shut host NAME out: its certificate goes on the revocation list of this host, its name is free.
   G_IO_ERROR_NOT_FOUND if no host of that name was let in.  */
gboolean admission_remove (const Config *config, const char *name, GError **error);

/* Take over the revocation list PEM that a host sent, see revocation_install; *TAKEN may be NULL.
 */
gboolean admission_take_revocations (const Config *config, const char *pem, gsize size,
                                     gboolean *taken, GError **error);
