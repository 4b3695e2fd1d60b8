// SPDX-License-Identifier: GPL-2.0-or-later
// The site's certificate authority: what the hosts of a site know each other by.

#include "certificate-authority.h"

#include <string.h>
#include <time.h>

#include "fail.h"
#include "file-read.h"
#include "file-write.h"
#include "gnutls-handles.h"

#define VALID_SECONDS (20LL * 365 * 24 * 3600)
#define PEM_SIZE_MAX  16384
#define SERIAL_SIZE   16
#define KEY_ID_SIZE   20
#define NAMES_MAX     8 // of a certificate that are looked at
#define NAME_SIZE_MAX 256

int
certificate_set_serial (gnutls_x509_crt_t certificate)
{
  guint8 serial[SERIAL_SIZE];
  int status = gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial);

  serial[0] = (serial[0] & 0x3f) | 0x40; // neither negative nor with a zero in front
  return status < 0 ? status : gnutls_x509_crt_set_serial (certificate, serial, sizeof serial);
}

/* Fill CERTIFICATE in for NAME and sign it with its own KEY; GnuTLS's status.  */
static int
sign_own (gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const char *name)
{
  guint8 key_id[KEY_ID_SIZE];
  gsize key_id_size = sizeof key_id;
  time_t now = time (NULL);
  int status;

  if ((status = gnutls_x509_crt_set_version (certificate, 3)) < 0
      || (status = certificate_set_serial (certificate)) < 0
      || (status = gnutls_x509_crt_set_dn_by_oid (certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                                  (guint)strlen (name)))
             < 0
      || (status =
              gnutls_x509_crt_set_activation_time (certificate, now - CERTIFICATE_EARLY_SECONDS))
             < 0
      || (status = gnutls_x509_crt_set_expiration_time (certificate, now + VALID_SECONDS)) < 0
      || (status = gnutls_x509_crt_set_basic_constraints (certificate, 1, 0)) < 0
      || (status = gnutls_x509_crt_set_key_usage (certificate,
                                                  GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN))
             < 0
      || (status = gnutls_x509_crt_set_key (certificate, key)) < 0
      || (status = gnutls_x509_crt_get_key_id (certificate, 0, key_id, &key_id_size)) < 0
      || (status = gnutls_x509_crt_set_subject_key_id (certificate, key_id, key_id_size)) < 0)
    return status;
  return gnutls_x509_crt_sign2 (certificate, certificate, key, GNUTLS_DIG_SHA256, 0);
}

gboolean
certificate_authority_generate (const char *name, const char *key_path,
                                const char *certificate_path, GError **error)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  g_auto (gnutls_datum_t) key_pem = { 0 };
  g_auto (gnutls_datum_t) certificate_pem = { 0 };
  guint bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1);
  int status;

  if ((status = gnutls_x509_privkey_init (&key)) < 0
      || (status = gnutls_x509_crt_init (&certificate)) < 0
      || (status = gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA, bits, 0)) < 0
      || (status = sign_own (certificate, key, name)) < 0
      || (status = gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL,
                                                      GNUTLS_PKCS_PLAIN, &key_pem))
             < 0
      || (status = gnutls_x509_crt_export2 (certificate, GNUTLS_X509_FMT_PEM, &certificate_pem))
             < 0)
    return fail (error, "make the site's CA: %s", gnutls_strerror (status));
  return file_write_durably (key_path, key_pem.data, key_pem.size, 0600, error)
         && file_write_durably (certificate_path, certificate_pem.data, certificate_pem.size, 0644,
                                error);
}

gnutls_x509_crt_t
certificate_parse (const char *pem, gsize size, GError **error)
{
  gnutls_datum_t datum = { (guint8 *)pem, (guint)size };
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  int status = size <= PEM_SIZE_MAX ? gnutls_x509_crt_init (&certificate) : GNUTLS_E_PARSING_ERROR;

  if (status >= 0)
    status = gnutls_x509_crt_import (certificate, &datum, GNUTLS_X509_FMT_PEM);
  if (status >= 0)
    return g_steal_pointer (&certificate);
  fail (error, "not a certificate: %s", gnutls_strerror (status));
  return NULL;
}

gnutls_x509_crt_t
certificate_load (const char *path, GError **error)
{
  gsize size;
  g_autofree char *pem = file_read (path, PEM_SIZE_MAX, &size, error);
  gnutls_x509_crt_t certificate = pem ? certificate_parse (pem, size, error) : NULL;

  if (pem && !certificate)
    g_prefix_error (error, "%s: ", path);
  return certificate;
}

char *
certificate_to_pem (gnutls_x509_crt_t certificate, GError **error)
{
  g_auto (gnutls_datum_t) pem = { 0 };
  int status = gnutls_x509_crt_export2 (certificate, GNUTLS_X509_FMT_PEM, &pem);

  if (status >= 0)
    return g_strndup ((const char *)pem.data, pem.size);
  fail (error, "write a certificate: %s", gnutls_strerror (status));
  return NULL;
}

char *
certificate_find_name (gnutls_x509_crt_t certificate, guint type, const char *prefix,
                       const char *suffix)
{
  for (guint i = 0; i < NAMES_MAX; i++)
    {
      char text[NAME_SIZE_MAX + 1] = "";
      gsize size = NAME_SIZE_MAX;
      guint actual = 0;
      int status =
          gnutls_x509_crt_get_subject_alt_name2 (certificate, i, text, &size, &actual, NULL);
      if (status == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        break;
      if (status >= 0 && actual == type && strlen (text) == size && g_str_has_prefix (text, prefix)
          && g_str_has_suffix (text, suffix))
        return g_strdup (text);
    }
  return NULL;
}

/* Whether KEY is the one of CERTIFICATE.  */
static gboolean
belong_together (gnutls_x509_privkey_t key, gnutls_x509_crt_t certificate)
{
  guint8 of_key[KEY_ID_SIZE], of_certificate[KEY_ID_SIZE];
  gsize key_size = sizeof of_key, certificate_size = sizeof of_certificate;

  return gnutls_x509_privkey_get_key_id (key, 0, of_key, &key_size) >= 0
         && gnutls_x509_crt_get_key_id (certificate, 0, of_certificate, &certificate_size) >= 0
         && key_size == certificate_size && memcmp (of_key, of_certificate, key_size) == 0;
}

CertificateAuthority *
certificate_authority_parse (const char *key_pem, const char *certificate_pem, GError **error)
{
  g_autoptr (CertificateAuthority) authority = g_new0 (CertificateAuthority, 1);
  gnutls_datum_t datum = { (guint8 *)key_pem, (guint)strlen (key_pem) };
  int status = gnutls_x509_privkey_init (&authority->key);

  if (status >= 0)
    status = gnutls_x509_privkey_import (authority->key, &datum, GNUTLS_X509_FMT_PEM);
  if (status < 0)
    {
      fail (error, "not a key: %s", gnutls_strerror (status));
      return NULL;
    }
  authority->certificate = certificate_parse (certificate_pem, strlen (certificate_pem), error);
  if (!authority->certificate)
    return NULL;
  if (belong_together (authority->key, authority->certificate))
    return g_steal_pointer (&authority);
  fail (error, "it is not the key of the CA's certificate");
  return NULL;
}

CertificateAuthority *
certificate_authority_load (const char *key_path, const char *certificate_path, GError **error)
{
  gsize size = 0;
  g_autofree char *key = file_read (key_path, PEM_SIZE_MAX, &size, error);
  g_autofree char *certificate =
      key ? file_read (certificate_path, PEM_SIZE_MAX, NULL, error) : NULL;
  CertificateAuthority *authority = NULL;

  if (certificate)
    {
      authority = certificate_authority_parse (key, certificate, error);
      if (!authority)
        g_prefix_error (error, "%s: ", key_path);
    }
  if (key)
    gnutls_memset (key, 0, size);
  return authority;
}

void
certificate_authority_free (CertificateAuthority *authority)
{
  if (!authority)
    return;
  gnutls_x509_crt_deinit (authority->certificate);
  gnutls_x509_privkey_deinit (authority->key);
  g_free (authority);
}
