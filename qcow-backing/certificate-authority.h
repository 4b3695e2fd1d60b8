// SPDX-License-Identifier: GPL-2.0-or-later
// The site's certificate authority: what the hosts of a site know each other by.
#pragma once

#include <glib.h>

/* Make an ECDSA P-256 key and a self-signed CA certificate for site NAME, valid for 20 years; write
   them as PEM to KEY_PATH (mode 0600) and CERTIFICATE_PATH.  */
gboolean certificate_authority_generate (const char *name, const char *key_path,
                                         const char *certificate_path, GError **error);
