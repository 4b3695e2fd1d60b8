// SPDX-License-Identifier: GPL-2.0-or-later
// The site's certificate authority: what the hosts of a site know each other by.

#include "certificate-authority.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "fail.h"
#include "file-write.h"

#define VALID_SECONDS (20LL * 365 * 24 * 3600)

/* Fill CERTIFICATE in for NAME and sign it with its own KEY; GnuTLS's status.  */
static int
sign_own (gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const char *name)
{
  guint8 serial[16];
  time_t now = time (NULL);
  int status = gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial);

  serial[0] &= 0x7f; // positive, RFC 5280 4.1.2.2
  if (status >= 0)
    status = gnutls_x509_crt_set_version (certificate, 3);
  if (status >= 0)
    status = gnutls_x509_crt_set_serial (certificate, serial, sizeof serial);
  if (status >= 0)
    status = gnutls_x509_crt_set_dn_by_oid (certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                            (guint)strlen (name));
  if (status >= 0)
    status = gnutls_x509_crt_set_activation_time (certificate, now);
  if (status >= 0)
    status = gnutls_x509_crt_set_expiration_time (certificate, now + VALID_SECONDS);
  if (status >= 0)
    status = gnutls_x509_crt_set_basic_constraints (certificate, 1, 0);
  if (status >= 0)
    status =
        gnutls_x509_crt_set_key_usage (certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
  if (status >= 0)
    status = gnutls_x509_crt_set_key (certificate, key);
  if (status >= 0)
    status = gnutls_x509_crt_sign2 (certificate, certificate, key, GNUTLS_DIG_SHA256, 0);
  return status;
}

gboolean
certificate_authority_generate (const char *name, const char *key_path,
                                const char *certificate_path, GError **error)
{
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t certificate;
  gnutls_datum_t key_pem = { 0 }, certificate_pem = { 0 };

  gnutls_x509_privkey_init (&key);
  gnutls_x509_crt_init (&certificate);
  int status = gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA,
                                             GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0);
  if (status >= 0)
    status = sign_own (certificate, key, name);
  if (status >= 0)
    status = gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
                                                &key_pem);
  if (status >= 0)
    status = gnutls_x509_crt_export2 (certificate, GNUTLS_X509_FMT_PEM, &certificate_pem);

  gboolean ok = status >= 0 || fail (error, "make the site's CA: %s", gnutls_strerror (status));
  ok = ok && file_write_durably (key_path, key_pem.data, key_pem.size, 0600, error)
       && file_write_durably (certificate_path, certificate_pem.data, certificate_pem.size, 0644,
                              error);
  if (key_pem.data)
    gnutls_memset (key_pem.data, 0, key_pem.size);
  gnutls_free (key_pem.data);
  gnutls_free (certificate_pem.data);
  gnutls_x509_crt_deinit (certificate);
  gnutls_x509_privkey_deinit (key);
  return ok;
}
