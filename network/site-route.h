// SPDX-License-Identifier: GPL-2.0-or-later
// What a request of another host is for, by its method and path.
#pragma once

#include "qcow-backing/chunk-id.h"

typedef enum
{
  SITE_UNKNOWN,      // there is no such path
  SITE_WRONG_METHOD, // there is, for other methods
  SITE_GET_CHUNK,    // GET /store/XXXX/ID.cacnk
  SITE_POST_CHUNKS,  // POST /store
  SITE_GET_RECORD,   // GET /images/D/N/channels.json.sig, V.json.sig, V.profile
  SITE_POST_PROFILE, // POST /images/D/N/V.profile
  SITE_HEARTBEAT,    // POST /hosts/heartbeat
  SITE_GET_CRL,      // GET /crl.pem
  SITE_PUT_CRL,      // PUT /crl.pem
  SITE_JOIN,         // POST /join
  SITE_N_ACTIONS,
} SiteAction;

typedef struct
{
  SiteAction action;
  ChunkId chunk; // for SITE_GET_CHUNK
  char *image;   // for SITE_GET_RECORD and SITE_POST_PROFILE: "D/N", which can name an image
  guint version; // the same: V, 0 for channels.json.sig
  char *file;    // the same: "V.profile", which is no path
} SiteRoute;

/* What METHOD on PATH, with no escape undone, is for.  HEAD counts as GET.  */
void site_route_parse (const char *method, const char *path, SiteRoute *route);
void site_route_clear (SiteRoute *route);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SiteRoute, site_route_clear)
