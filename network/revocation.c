// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts that were removed: the CA's revocation list.
//
// Dates of the list mean nothing here, its number alone: clocks are off, and a list counts until a
// newer one comes.  Stock programs look at them, so they span what the CA's certificate does.

#include "revocation.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/file-lock.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/gnutls-handles.h"

#define VALID_SECONDS   (20LL * 365 * 24 * 3600)
#define SERIAL_SIZE_MAX 20 // RFC 5280, 4.1.2.2
#define KEY_ID_SIZE     20
#define NUMBER_SIZE     8

/* The list in the SIZE bytes at PEM.  */
static gnutls_x509_crl_t
parse (const char *pem, gsize size, GError **error)
{
  gnutls_datum_t datum = { (guint8 *)pem, (guint)size };
  g_auto (gnutls_x509_crl_t) list = NULL;
  int status = GNUTLS_E_PARSING_ERROR;

  if (size <= REVOCATION_SIZE_MAX && (status = gnutls_x509_crl_init (&list)) >= 0
      && (status = gnutls_x509_crl_import (list, &datum, GNUTLS_X509_FMT_PEM)) >= 0)
    return g_steal_pointer (&list);
  fail (error, "not a revocation list: %s", gnutls_strerror (status));
  return NULL;
}

gboolean
revocation_load (const char *path, gnutls_x509_crl_t *list, GError **error)
{
  gsize size;
  g_autoptr (GError) cause = NULL;
  g_autofree char *pem = file_read (path, REVOCATION_SIZE_MAX, &size, &cause);

  *list = pem ? parse (pem, size, &cause) : NULL;
  if (*list || g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  if (pem)
    g_prefix_error (error, "%s: ", path);
  return FALSE;
}

static gboolean
get_number (gnutls_x509_crl_t list, guint64 *number, GError **error)
{
  guint8 bytes[NUMBER_SIZE + 1]; // a zero in front where the first bit is set
  gsize size = sizeof bytes;
  int status = list ? gnutls_x509_crl_get_number (list, bytes, &size, NULL) : 0;

  *number = 0;
  if (status < 0 || (list && size > NUMBER_SIZE && bytes[0] != 0))
    return fail (error, "the revocation list has no number");
  for (gsize i = 0; list && i < size; i++)
    *number = *number << 8 | bytes[i];
  return *number < G_MAXINT64 || fail (error, "the revocation list's number is out of range");
}

static gboolean
is_on_list (gnutls_x509_crl_t list, const guint8 *serial, gsize serial_size)
{
  int count = list ? gnutls_x509_crl_get_crt_count (list) : 0;

  for (int i = 0; i < count; i++)
    {
      guint8 other[SERIAL_SIZE_MAX];
      gsize size = sizeof other;
      if (gnutls_x509_crl_get_crt_serial (list, (guint)i, other, &size, NULL) >= 0
          && size == serial_size && memcmp (other, serial, size) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Whether all that is on PART is on WHOLE.  */
static gboolean
is_contained (gnutls_x509_crl_t part, gnutls_x509_crl_t whole)
{
  int count = part ? gnutls_x509_crl_get_crt_count (part) : 0;

  for (int i = 0; i < count; i++)
    {
      guint8 serial[SERIAL_SIZE_MAX];
      gsize size = sizeof serial;
      if (gnutls_x509_crl_get_crt_serial (part, (guint)i, serial, &size, NULL) < 0
          || !is_on_list (whole, serial, size))
        return FALSE;
    }
  return TRUE;
}

/* Put what is on FROM on LIST.  GnuTLS's status.  */
static int
copy_serials (gnutls_x509_crl_t list, gnutls_x509_crl_t from)
{
  int count = from ? gnutls_x509_crl_get_crt_count (from) : 0;
  int status = 0;

  for (int i = 0; i < count && status >= 0; i++)
    {
      guint8 serial[SERIAL_SIZE_MAX];
      gsize size = sizeof serial;
      time_t when;
      status = gnutls_x509_crl_get_crt_serial (from, (guint)i, serial, &size, &when);
      if (status >= 0 && !is_on_list (list, serial, size))
        status = gnutls_x509_crl_set_crt_serial (list, serial, size, when);
    }
  return status;
}

/* Make LIST number NUMBER of AUTHORITY.  GnuTLS's status.  */
static int
sign (gnutls_x509_crl_t list, guint64 number, const CertificateAuthority *authority)
{
  guint64 big_endian = GUINT64_TO_BE (number);
  guint8 key_id[KEY_ID_SIZE];
  gsize key_id_size = sizeof key_id;
  time_t now = time (NULL);
  int status;

  if ((status = gnutls_x509_crl_set_version (list, 2)) < 0
      || (status = gnutls_x509_crl_set_this_update (list, now - CERTIFICATE_EARLY_SECONDS)) < 0
      || (status = gnutls_x509_crl_set_next_update (list, now + VALID_SECONDS)) < 0
      || (status = gnutls_x509_crl_set_number (list, &big_endian, sizeof big_endian)) < 0
      || (status = gnutls_x509_crt_get_key_id (authority->certificate, 0, key_id, &key_id_size)) < 0
      || (status = gnutls_x509_crl_set_authority_key_id (list, key_id, key_id_size)) < 0)
    return status;
  return gnutls_x509_crl_sign2 (list, authority->certificate, authority->key, GNUTLS_DIG_SHA256, 0);
}

/* Write the list number NUMBER to PATH: what is on A and on B, and CERTIFICATE if it is given.  */
static gboolean
write_new (const CertificateAuthority *authority, const char *path, guint64 number,
           gnutls_x509_crl_t a, gnutls_x509_crl_t b, gnutls_x509_crt_t certificate, GError **error)
{
  g_auto (gnutls_x509_crl_t) list = NULL;
  g_auto (gnutls_datum_t) pem = { 0 };
  int status;

  if ((status = gnutls_x509_crl_init (&list)) < 0 || (status = copy_serials (list, a)) < 0
      || (status = copy_serials (list, b)) < 0
      || (certificate && (status = gnutls_x509_crl_set_crt (list, certificate, time (NULL))) < 0)
      || (status = sign (list, number, authority)) < 0
      || (status = gnutls_x509_crl_export2 (list, GNUTLS_X509_FMT_PEM, &pem)) < 0)
    return fail (error, "make a revocation list: %s", gnutls_strerror (status));
  if (pem.size > REVOCATION_SIZE_MAX)
    return fail (error, "the revocation list would be larger than %u bytes", REVOCATION_SIZE_MAX);
  return file_write_durably (path, pem.data, pem.size, 0644, error);
}

/* Lock the list at PATH for who writes it.  */
static int
lock_list (const char *path, GError **error)
{
  g_autofree char *lock_path = g_strconcat (path, ".lock", NULL);

  return file_lock (AT_FDCWD, lock_path, LOCK_EX, NULL, error);
}

gboolean
revocation_number (const char *crl_path, guint64 *number, GError **error)
{
  g_auto (gnutls_x509_crl_t) list = NULL;

  return revocation_load (crl_path, &list, error) && get_number (list, number, error);
}

static gboolean
add_locked (const CertificateAuthority *authority, const char *path, gnutls_x509_crt_t certificate,
            GError **error)
{
  g_auto (gnutls_x509_crl_t) list = NULL;
  guint8 serial[SERIAL_SIZE_MAX];
  gsize size = sizeof serial;
  guint64 number;

  if (gnutls_x509_crt_get_serial (certificate, serial, &size) < 0)
    return fail (error, "the certificate has no serial number");
  if (!revocation_load (path, &list, error) || !get_number (list, &number, error))
    return FALSE;
  return is_on_list (list, serial, size)
         || write_new (authority, path, number + 1, list, NULL, certificate, error);
}

gboolean
revocation_add (const CertificateAuthority *authority, const char *crl_path,
                gnutls_x509_crt_t certificate, GError **error)
{
  int lock = lock_list (crl_path, error);
  gboolean ok = lock >= 0 && add_locked (authority, crl_path, certificate, error);

  if (lock >= 0)
    close (lock);
  return ok;
}

/* The list PEM, if the CA at CA_PATH has signed it.  */
static gnutls_x509_crl_t
parse_signed (const char *ca_path, const char *pem, gsize size, GError **error)
{
  g_auto (gnutls_x509_crt_t) ca = certificate_load (ca_path, error);
  g_auto (gnutls_x509_crl_t) list = ca ? parse (pem, size, error) : NULL;
  guint status = GNUTLS_CERT_INVALID;

  if (!list)
    return NULL;
  if (gnutls_x509_crl_verify (list, &ca, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status) >= 0
      && (status & GNUTLS_CERT_INVALID) == 0)
    return g_steal_pointer (&list);
  fail_code (error, G_IO_ERROR_PERMISSION_DENIED,
             "the site's CA has not signed the revocation list");
  return NULL;
}

static gboolean
install_locked (const char *path, const CertificateAuthority *authority, gnutls_x509_crl_t list,
                const char *pem, gsize size, gboolean *taken, GError **error)
{
  g_auto (gnutls_x509_crl_t) own = NULL;
  guint64 number, own_number;

  if (!revocation_load (path, &own, error) || !get_number (own, &own_number, error)
      || !get_number (list, &number, error))
    return FALSE;
  gboolean is_higher = number > own_number;
  gboolean adds_nothing = authority ? !is_higher && is_contained (list, own) : !is_higher;
  if (adds_nothing)
    return TRUE;
  *taken = TRUE;
  if (is_higher && (!authority || is_contained (own, list)))
    return file_write_durably (path, pem, size, 0644, error);
  return write_new (authority, path, MAX (number, own_number) + 1, own, list, NULL, error);
}

gboolean
revocation_install (const char *ca_path, const char *crl_path,
                    const CertificateAuthority *authority, const char *pem, gsize size,
                    gboolean *taken, GError **error)
{
  g_auto (gnutls_x509_crl_t) list = parse_signed (ca_path, pem, size, error);
  int lock = list ? lock_list (crl_path, error) : -1;

  *taken = FALSE;
  gboolean ok = lock >= 0 && install_locked (crl_path, authority, list, pem, size, taken, error);
  if (lock >= 0)
    close (lock);
  return ok;
}
