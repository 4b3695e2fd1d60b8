// SPDX-License-Identifier: GPL-2.0-or-later
// The site's certificate authority: what the hosts of a site know each other by.
#pragma once

#include <gnutls/x509.h>

#include <glib.h>

/* Clocks of PCs are off: what the CA signs is valid from so long before its own time on.  */
#define CERTIFICATE_EARLY_SECONDS (30LL * 24 * 3600)

/* Make an ECDSA P-256 key and a self-signed CA certificate for site NAME, valid for 20 years; write
   them as PEM to KEY_PATH (mode 0600) and CERTIFICATE_PATH.  */
gboolean certificate_authority_generate (const char *name, const char *key_path,
                                         const char *certificate_path, GError **error);

typedef struct
{
  gnutls_x509_crt_t certificate;
  gnutls_x509_privkey_t key;
} CertificateAuthority;

/* The CA of a key and a certificate, both PEM.  Fails where they do not belong together.  */
CertificateAuthority *certificate_authority_parse (const char *key_pem, const char *certificate_pem,
                                                   GError **error);

/* The same from files; G_IO_ERROR_NOT_FOUND where one is not there.  */
CertificateAuthority *certificate_authority_load (const char *key_path,
                                                  const char *certificate_path, GError **error);
void certificate_authority_free (CertificateAuthority *authority);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CertificateAuthority, certificate_authority_free)

/* The certificate in the file at PATH, PEM; the caller's.  */
gnutls_x509_crt_t certificate_load (const char *path, GError **error);
gnutls_x509_crt_t certificate_parse (const char *pem, gsize size, GError **error);

/* CERTIFICATE as PEM, the caller's.  */
char *certificate_to_pem (gnutls_x509_crt_t certificate, GError **error);

/* The first alternative name of TYPE (GNUTLS_SAN_...) in CERTIFICATE that begins and ends so, the
   caller's; NULL if there is none.  */
char *certificate_find_name (gnutls_x509_crt_t certificate, guint type, const char *prefix,
                             const char *suffix);

/* Give CERTIFICATE a random serial number, positive and of 16 bytes (RFC 5280, 4.1.2.2).  GnuTLS's
   status.  */
int certificate_set_serial (gnutls_x509_crt_t certificate);
