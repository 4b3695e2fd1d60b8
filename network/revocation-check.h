// SPDX-License-Identifier: GPL-2.0-or-later
// Whether a peer belongs to the site: its certificate is of the CA, is valid, and is not revoked by
// the list as it is at that moment.
#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <glib.h>

/* By the CA's certificate at CA_PATH and the revocation list at CRL_PATH, which need not be there.
   Safe to use from several threads.  */
typedef struct RevocationCheck RevocationCheck;
RevocationCheck *revocation_check_new (const char *ca_path, const char *crl_path, GError **error);
void revocation_check_free (RevocationCheck *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RevocationCheck, revocation_check_free)

/* The name of the host at the other end of SESSION, a client, in *HOST_NAME, the caller's.
   G_IO_ERROR_PERMISSION_DENIED with a sentence if it has no certificate of the site that counts.
 */
gboolean revocation_check_peer (RevocationCheck *check, gnutls_session_t session, char **host_name,
                                GError **error);

/* The same for a certificate, PURPOSE being GNUTLS_KP_TLS_WWW_CLIENT or _SERVER.  */
gboolean revocation_check_certificate (RevocationCheck *check, gnutls_x509_crt_t certificate,
                                       const char *purpose, char **host_name, GError **error);
