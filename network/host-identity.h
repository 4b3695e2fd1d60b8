// SPDX-License-Identifier: GPL-2.0-or-later
// What this host is to the others of its site: a name, a key and a certificate.
//
// In STATE/site, beside what qcow-backing/site.h has there, on every host:
//     host.pem, host-key.pem    its certificate and key; the user gild's, the key readable by it
//                               alone
//     crl.pem                   which certificates count no more (revocation.h); may be missing
//     hosts.json                the hosts that were last heard of (host-list.h)
// and on publishers:
//     ca-key.pem                gild's, so that gildd lets hosts in; images are not signed by it
//     hosts/NAME.pem            the certificates that were issued, and are not revoked
//     invitations/HEX.json      who may join (admission.h)
#pragma once

#include "host-certificate.h"
#include "qcow-backing/config.h"

typedef struct
{
  char *name;
  char *certificate_path, *key_path; // host.pem, host-key.pem
  char *ca_path, *crl_path;          // ca.pem; crl.pem, which need not be there
} HostIdentity;

/* Who this host is.  G_IO_ERROR_NOT_FOUND if it belongs to no site or has no certificate yet.  */
HostIdentity *host_identity_load (const Config *config, GError **error);
void host_identity_free (HostIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HostIdentity, host_identity_free)

/* On a publisher that has no certificate, since its site is older than certificates are: make one,
   for the name of the PC, and what else a publisher's site has by now.  Elsewhere do nothing, if
   there is a certificate, or fail.  Needs to be root once, since the site is root's.  */
gboolean host_identity_ensure (const Config *config, GError **error);

/* Give this host, a publisher whose site is in DIRECTORY, a key and a certificate for the name in
   DATA.  A SiteFill; the key is written first, so a certificate that is there has its key.  */
gboolean host_identity_make (const Config *config, const char *directory, gpointer data,
                             GError **error);

/* Write the key and the certificate of this host into the site in DIRECTORY.  */
gboolean host_identity_write (const Config *config, const char *directory, const char *key_pem,
                              const char *certificate_pem, GError **error);

/* The CA of the site in DIRECTORY, if this host may sign with its key; else the error says why not.
 */
CertificateAuthority *host_identity_load_authority (const char *directory, GError **error);
