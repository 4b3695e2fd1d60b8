// SPDX-License-Identifier: GPL-2.0-or-later
// A host's certificate: what the other hosts of the site know it by.
//
// ECDSA P-256, signed by the site's CA: CN NAME, dNSName NAME.gild.internal, for TLS servers and
// clients, valid for 10 years.  It also names the site's public key, as the URI
// urn:gild:site-key:SHA256 (hex, of the text of site.pub): who knows the CA knows by that which key
// signs the images.
#pragma once

#include <gnutls/x509.h>

#include "qcow-backing/certificate-authority.h"
#include "qcow-backing/host-name.h"

/* Make a key and a certification request (PKCS #10) for host NAME, both PEM and the caller's, who
   wipes the key.  */
gboolean host_certificate_request (const char *name, char **key_pem, char **request_pem,
                                   GError **error);

/* A certificate of AUTHORITY for host NAME with the key of REQUEST_PEM, which has to be signed by
   it; what the request says besides is not looked at.  SITE_KEY is the text of site.pub.  */
gnutls_x509_crt_t host_certificate_issue (const CertificateAuthority *authority, const char *name,
                                          const char *request_pem, const char *site_key,
                                          GError **error);

/* Whether CERTIFICATE was given for the key KEY_PEM, and says that SITE_KEY is the site's.  */
gboolean host_certificate_has_key (gnutls_x509_crt_t certificate, const char *key_pem);
gboolean host_certificate_names_site_key (gnutls_x509_crt_t certificate, const char *site_key);

/* Whether CERTIFICATE is one that AUTHORITY, a CA's certificate, signed, and is valid now.  The
   error tells a clock that is off from a stranger.  */
gboolean host_certificate_verify (gnutls_x509_crt_t certificate, gnutls_x509_crt_t authority,
                                  GError **error);

/* Set ERROR (G_IO_ERROR_PERMISSION_DENIED) to the sentence for STATUS, GnuTLS's of a certificate
   that is not to be trusted.  Returns FALSE.  */
gboolean host_certificate_fail (guint status, GError **error);
