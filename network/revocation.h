// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts that were removed: the CA's revocation list (X.509 CRL, RFC 5280), which has a number that
// only goes forward.
#pragma once

#include <gnutls/x509.h>

#include "qcow-backing/certificate-authority.h"
#include "revocation-check.h"

#define REVOCATION_SIZE_MAX (1u << 20)

/* The list in the file at PATH; NULL, and no error, where there is none.  */
gboolean revocation_load (const char *path, gnutls_x509_crl_t *list, GError **error);

/* The number of the list in the file at CRL_PATH, in *NUMBER; 0 where there is none.  */
gboolean revocation_number (const char *crl_path, guint64 *number, GError **error);

/* Add CERTIFICATE, of AUTHORITY, to the list at CRL_PATH, which gets the next number, durably.
   Nothing changes if it is on it.  */
gboolean revocation_add (const CertificateAuthority *authority, const char *crl_path,
                         gnutls_x509_crt_t certificate, GError **error);

/* Take over the list PEM, which somebody sent, if the CA at CA_PATH has signed it and its number is
   higher than that of the list at CRL_PATH; *TAKEN says whether it was.  An older one is no error.
   AUTHORITY is NULL but on a publisher, which joins the two lists to a new one where both have what
   the other has not: two publishers may each have removed a host.  */
gboolean revocation_install (const char *ca_path, const char *crl_path,
                             const CertificateAuthority *authority, const char *pem, gsize size,
                             gboolean *taken, GError **error);
