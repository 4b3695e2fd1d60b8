// SPDX-License-Identifier: GPL-2.0-or-later
// A host's certificate: what the other hosts of the site know it by.

#include "host-certificate.h"

#include <gnutls/abstract.h>
#include <string.h>
#include <time.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/gnutls-handles.h"

#define VALID_SECONDS    (10LL * 365 * 24 * 3600)
#define REQUEST_SIZE_MAX 4096
#define KEY_ID_SIZE      20
#define KEY_BITS         256 // P-256
#define SITE_KEY_PREFIX  "urn:gild:site-key:"

/* Sign REQUEST for NAME with a new KEY.  GnuTLS's status.  */
static int
make_request (gnutls_x509_crq_t request, gnutls_x509_privkey_t key, const char *name)
{
  int status;

  if ((status = gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA,
                                              GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0))
          < 0
      || (status = gnutls_x509_crq_set_version (request, 1)) < 0
      || (status = gnutls_x509_crq_set_dn_by_oid (request, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                                  (guint)strlen (name)))
             < 0
      || (status = gnutls_x509_crq_set_key (request, key)) < 0)
    return status;
  return gnutls_x509_crq_sign2 (request, key, GNUTLS_DIG_SHA256, 0);
}

gboolean
host_certificate_request (const char *name, char **key_pem, char **request_pem, GError **error)
{
  g_auto (gnutls_x509_privkey_t) key = NULL;
  g_auto (gnutls_x509_crq_t) request = NULL;
  g_auto (gnutls_datum_t) key_text = { 0 };
  g_auto (gnutls_datum_t) request_text = { 0 };
  int status;

  if ((status = gnutls_x509_privkey_init (&key)) < 0
      || (status = gnutls_x509_crq_init (&request)) < 0
      || (status = make_request (request, key, name)) < 0
      || (status = gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL,
                                                      GNUTLS_PKCS_PLAIN, &key_text))
             < 0
      || (status = gnutls_x509_crq_export2 (request, GNUTLS_X509_FMT_PEM, &request_text)) < 0)
    return fail (error, "make a key for host %s: %s", name, gnutls_strerror (status));
  *key_pem = g_strndup ((const char *)key_text.data, key_text.size);
  *request_pem = g_strndup ((const char *)request_text.data, request_text.size);
  return TRUE;
}

/* The key of the request PEM, if the request is signed by it.  */
static gboolean
read_request (const char *pem, gnutls_pubkey_t *key, GError **error)
{
  gnutls_datum_t datum = { (guint8 *)pem, (guint)strlen (pem) };
  g_auto (gnutls_x509_crq_t) request = NULL;
  guint bits = 0;
  int status;

  if (datum.size > REQUEST_SIZE_MAX)
    return fail (error, "the certification request is larger than %d bytes", REQUEST_SIZE_MAX);
  if ((status = gnutls_x509_crq_init (&request)) < 0
      || (status = gnutls_x509_crq_import (request, &datum, GNUTLS_X509_FMT_PEM)) < 0
      || (status = gnutls_x509_crq_get_pk_algorithm (request, &bits)) < 0)
    return fail (error, "not a certification request: %s", gnutls_strerror (status));
  if (status != GNUTLS_PK_ECDSA || bits != KEY_BITS)
    return fail (error, "the certification request is not for an ECDSA key of %d bits", KEY_BITS);
  if ((status = gnutls_x509_crq_verify (request, 0)) < 0 || (status = gnutls_pubkey_init (key)) < 0
      || (status = gnutls_pubkey_import_x509_crq (*key, request, 0)) < 0)
    return fail (error, "the certification request is not signed by its key: %s",
                 gnutls_strerror (status));
  return TRUE;
}

static char *
site_key_uri (const char *site_key)
{
  g_autofree char *hex = g_compute_checksum_for_string (G_CHECKSUM_SHA256, site_key, -1);

  return g_strconcat (SITE_KEY_PREFIX, hex, NULL);
}

/* Say whom CERTIFICATE is for.  GnuTLS's status.  */
static int
set_names (gnutls_x509_crt_t certificate, const char *name, const char *site_key)
{
  g_autofree char *dns_name = g_strconcat (name, HOST_DOMAIN, NULL);
  g_autofree char *uri = site_key_uri (site_key);
  int status;

  if ((status = gnutls_x509_crt_set_dn_by_oid (certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                               (guint)strlen (name)))
          < 0
      || (status = gnutls_x509_crt_set_subject_alt_name (certificate, GNUTLS_SAN_DNSNAME, dns_name,
                                                         (guint)strlen (dns_name), 0))
             < 0)
    return status;
  return gnutls_x509_crt_set_subject_alt_name (certificate, GNUTLS_SAN_URI, uri,
                                               (guint)strlen (uri), GNUTLS_FSAN_APPEND);
}

/* Say what CERTIFICATE is for, and when.  GnuTLS's status.  */
static int
set_uses (gnutls_x509_crt_t certificate)
{
  time_t now = time (NULL);
  int status;

  if ((status = gnutls_x509_crt_set_version (certificate, 3)) < 0
      || (status = certificate_set_serial (certificate)) < 0
      || (status =
              gnutls_x509_crt_set_activation_time (certificate, now - CERTIFICATE_EARLY_SECONDS))
             < 0
      || (status = gnutls_x509_crt_set_expiration_time (certificate, now + VALID_SECONDS)) < 0
      || (status = gnutls_x509_crt_set_basic_constraints (certificate, 0, -1)) < 0
      || (status = gnutls_x509_crt_set_key_usage (certificate, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0
      || (status = gnutls_x509_crt_set_key_purpose_oid (certificate, GNUTLS_KP_TLS_WWW_SERVER, 0))
             < 0)
    return status;
  return gnutls_x509_crt_set_key_purpose_oid (certificate, GNUTLS_KP_TLS_WWW_CLIENT, 0);
}

/* Give CERTIFICATE the CA's key as the one that signs it, and sign it.  GnuTLS's status.  */
static int
sign (gnutls_x509_crt_t certificate, const CertificateAuthority *authority)
{
  guint8 key_id[KEY_ID_SIZE];
  gsize key_id_size = sizeof key_id;
  int status;

  if ((status = gnutls_x509_crt_get_key_id (authority->certificate, 0, key_id, &key_id_size)) < 0
      || (status = gnutls_x509_crt_set_authority_key_id (certificate, key_id, key_id_size)) < 0)
    return status;
  return gnutls_x509_crt_sign2 (certificate, authority->certificate, authority->key,
                                GNUTLS_DIG_SHA256, 0);
}

gnutls_x509_crt_t
host_certificate_issue (const CertificateAuthority *authority, const char *name,
                        const char *request_pem, const char *site_key, GError **error)
{
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  g_auto (gnutls_pubkey_t) key = NULL;
  int status;

  if (!host_name_check (name, error) || !read_request (request_pem, &key, error))
    return NULL;
  if ((status = gnutls_x509_crt_init (&certificate)) < 0
      || (status = gnutls_x509_crt_set_pubkey (certificate, key)) < 0
      || (status = set_uses (certificate)) < 0
      || (status = set_names (certificate, name, site_key)) < 0
      || (status = sign (certificate, authority)) < 0)
    {
      fail (error, "make a certificate for host %s: %s", name, gnutls_strerror (status));
      return NULL;
    }
  return g_steal_pointer (&certificate);
}

gboolean
host_certificate_names_site_key (gnutls_x509_crt_t certificate, const char *site_key)
{
  g_autofree char *uri = site_key_uri (site_key);
  g_autofree char *found = certificate_find_name (certificate, GNUTLS_SAN_URI, SITE_KEY_PREFIX, "");

  return found && g_str_equal (found, uri);
}

gboolean
host_certificate_has_key (gnutls_x509_crt_t certificate, const char *key_pem)
{
  gnutls_datum_t datum = { (guint8 *)key_pem, (guint)strlen (key_pem) };
  g_auto (gnutls_x509_privkey_t) key = NULL;
  guint8 of_key[KEY_ID_SIZE], of_certificate[KEY_ID_SIZE];
  gsize key_size = sizeof of_key, certificate_size = sizeof of_certificate;

  return gnutls_x509_privkey_init (&key) >= 0
         && gnutls_x509_privkey_import (key, &datum, GNUTLS_X509_FMT_PEM) >= 0
         && gnutls_x509_privkey_get_key_id (key, 0, of_key, &key_size) >= 0
         && gnutls_x509_crt_get_key_id (certificate, 0, of_certificate, &certificate_size) >= 0
         && key_size == certificate_size && memcmp (of_key, of_certificate, key_size) == 0;
}

gboolean
host_certificate_fail (guint status, GError **error)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *clock = g_date_time_format (now, "%F %R");

  if (status & GNUTLS_CERT_REVOKED)
    return fail_code (error, G_IO_ERROR_PERMISSION_DENIED,
                      "the certificate was revoked: the host was removed from the site");
  if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE))
    return fail_code (error, G_IO_ERROR_PERMISSION_DENIED,
                      "the certificate is not of this site: another CA has signed it");
  if (status & GNUTLS_CERT_NOT_ACTIVATED)
    return fail_code (
        error, G_IO_ERROR_PERMISSION_DENIED,
        "the certificate is not valid yet, by the clock of this PC, which says %s: is it right?",
        clock);
  if (status & GNUTLS_CERT_EXPIRED)
    return fail_code (
        error, G_IO_ERROR_PERMISSION_DENIED,
        "the certificate has expired, by the clock of this PC, which says %s: is it right?", clock);
  return fail_code (error, G_IO_ERROR_PERMISSION_DENIED,
                    "the certificate is not one of a host of this site (status %#x)", status);
}

gboolean
host_certificate_verify (gnutls_x509_crt_t certificate, gnutls_x509_crt_t authority, GError **error)
{
  guint status = GNUTLS_CERT_INVALID;
  int result = gnutls_x509_crt_verify (certificate, &authority, 1, 0, &status);

  if (result < 0)
    return fail (error, "check a certificate: %s", gnutls_strerror (result));
  return status == 0 || host_certificate_fail (status, error);
}
