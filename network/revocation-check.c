// SPDX-License-Identifier: GPL-2.0-or-later
// Whether a peer belongs to the site.

#include "revocation-check.h"

#include <sys/stat.h>

#include "host-certificate.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/gnutls-handles.h"
#include "revocation.h"

#define CHECKED_MAX     4096 // certificates that are remembered as good
#define CHECKED_SECONDS 60   // for so long, since they expire

struct RevocationCheck
{
  char *ca_path, *crl_path;
  GMutex lock; // guards what is below
  gnutls_x509_crt_t ca;
  gnutls_x509_crl_t list; // NULL where there is none
  struct stat list_status;
  GHashTable *checked;  // certificates (GBytes, DER) that are good, to the hosts' names
  gint64 checked_since; // monotonic microseconds
};

RevocationCheck *
revocation_check_new (const char *ca_path, const char *crl_path, GError **error)
{
  g_autoptr (RevocationCheck) check = g_new0 (RevocationCheck, 1);

  g_mutex_init (&check->lock);
  check->ca_path = g_strdup (ca_path);
  check->crl_path = g_strdup (crl_path);
  check->checked =
      g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, g_free);
  check->ca = certificate_load (ca_path, error);
  return check->ca ? g_steal_pointer (&check) : NULL;
}

void
revocation_check_free (RevocationCheck *check)
{
  if (!check)
    return;
  gnutls_x509_crt_deinit (check->ca);
  gnutls_x509_crl_deinit (check->list);
  g_hash_table_unref (check->checked);
  g_mutex_clear (&check->lock);
  g_free (check->ca_path);
  g_free (check->crl_path);
  g_free (check);
}

/* Read the list anew where its file is another than the one that was read.  */
static gboolean
follow_list (RevocationCheck *check, GError **error)
{
  struct stat now = { 0 };

  if (lstat (check->crl_path, &now) < 0)
    now = (struct stat){ 0 };
  if (now.st_ino != check->list_status.st_ino || now.st_size != check->list_status.st_size
      || now.st_mtim.tv_sec != check->list_status.st_mtim.tv_sec
      || now.st_mtim.tv_nsec != check->list_status.st_mtim.tv_nsec)
    {
      gnutls_x509_crl_t list;
      if (!revocation_load (check->crl_path, &list, error))
        return FALSE;
      gnutls_x509_crl_deinit (check->list);
      check->list = list;
      check->list_status = now;
      g_hash_table_remove_all (check->checked);
    }
  if (g_get_monotonic_time () - check->checked_since > CHECKED_SECONDS * G_USEC_PER_SEC
      || g_hash_table_size (check->checked) >= CHECKED_MAX)
    {
      g_hash_table_remove_all (check->checked);
      check->checked_since = g_get_monotonic_time ();
    }
  return TRUE;
}

/* What is costly: the signature.  */
static gboolean
check_anew (RevocationCheck *check, gnutls_x509_crt_t certificate, const char *purpose,
            char **host_name, GError **error)
{
  if (!host_certificate_verify (certificate, check->ca, error))
    return FALSE;
  if (gnutls_x509_crt_check_key_purpose (certificate, purpose, 0) == 0)
    return host_certificate_fail (GNUTLS_CERT_PURPOSE_MISMATCH, error);
  if (check->list && gnutls_x509_crt_check_revocation (certificate, &check->list, 1) != 0)
    return host_certificate_fail (GNUTLS_CERT_REVOKED, error);
  *host_name = host_certificate_name (certificate, error);
  return *host_name != NULL;
}

gboolean
revocation_check_certificate (RevocationCheck *check, gnutls_x509_crt_t certificate,
                              const char *purpose, char **host_name, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&check->lock);

  return follow_list (check, error) && check_anew (check, certificate, purpose, host_name, error);
}

static gboolean
check_der (RevocationCheck *check, GBytes *der, char **host_name, GError **error)
{
  const char *known = g_hash_table_lookup (check->checked, der);
  gnutls_datum_t datum = { (guint8 *)g_bytes_get_data (der, NULL), (guint)g_bytes_get_size (der) };
  g_auto (gnutls_x509_crt_t) certificate = NULL;

  if (known)
    {
      *host_name = g_strdup (known);
      return TRUE;
    }
  if (gnutls_x509_crt_init (&certificate) < 0
      || gnutls_x509_crt_import (certificate, &datum, GNUTLS_X509_FMT_DER) < 0)
    return fail_code (error, G_IO_ERROR_PERMISSION_DENIED, "the certificate cannot be read");
  if (!check_anew (check, certificate, GNUTLS_KP_TLS_WWW_CLIENT, host_name, error))
    return FALSE;
  g_hash_table_insert (check->checked, g_bytes_ref (der), g_strdup (*host_name));
  return TRUE;
}

gboolean
revocation_check_peer (RevocationCheck *check, gnutls_session_t session, char **host_name,
                       GError **error)
{
  guint count = 0;
  const gnutls_datum_t *chain = gnutls_certificate_get_peers (session, &count);

  if (!chain || count == 0)
    return fail_code (error, G_IO_ERROR_PERMISSION_DENIED,
                      "this takes a certificate of the site: `gild join` gets one");
  g_autoptr (GBytes) der = g_bytes_new (chain[0].data, chain[0].size);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&check->lock);
  return follow_list (check, error) && check_der (check, der, host_name, error);
}
