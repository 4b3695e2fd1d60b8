// SPDX-License-Identifier: GPL-2.0-or-later
// A site that this host joins: what the publisher answered is checked, and becomes the directory of
// the site.
#pragma once

#include <gnutls/x509.h>
#include <json-glib/json-glib.h>

#include "qcow-backing/config.h"

/* An answer to POST /join (admission.h), and what was known before it.  */
typedef struct
{
  JsonObject *answer;
  const char *name, *key_pem;      // this host's
  gnutls_x509_crt_t ca;            // that the token's fingerprint is of
  const char *publisher, *address; // who answered; numeric
  guint port;
} JoinedSite;

/* Check all of the answer, and write the site into DIRECTORY, for site_directory_create.  Fails,
   whatever else is wrong, if the certificate is not the CA's for this host and its key, or names
   another key as the one that signs the site's images than the answer does: the CA's word counts,
   not that of who answered.  */
gboolean joined_site_write (const Config *config, const char *directory, const JoinedSite *joined,
                            GError **error);
