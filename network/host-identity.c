// SPDX-License-Identifier: GPL-2.0-or-later
// What this host is to the others of its site: a name, a key and a certificate.

#include "host-identity.h"

#include <string.h>
#include <unistd.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/gnutls-handles.h"
#include "qcow-backing/site.h"

#define SITE_KEY_SIZE_MAX 4096

HostIdentity *
host_identity_load (const Config *config, GError **error)
{
  g_autoptr (HostIdentity) identity = g_new0 (HostIdentity, 1);
  g_autoptr (Site) site = site_load (config, error);
  g_autoptr (GError) cause = NULL;

  if (!site)
    return NULL;
  identity->certificate_path = config_state_path (config, "site", "host.pem", NULL);
  identity->key_path = config_state_path (config, "site", "host-key.pem", NULL);
  identity->ca_path = config_state_path (config, "site", "ca.pem", NULL);
  identity->crl_path = config_state_path (config, "site", "crl.pem", NULL);
  g_auto (gnutls_x509_crt_t) certificate = certificate_load (identity->certificate_path, &cause);
  if (certificate)
    identity->name = host_certificate_name (certificate, &cause);
  if (identity->name)
    return g_steal_pointer (&identity);
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    fail_code (error, G_IO_ERROR_NOT_FOUND,
               "this host has no certificate yet: run `gild invite` on it, as root");
  else
    g_propagate_error (error, g_steal_pointer (&cause));
  return NULL;
}

void
host_identity_free (HostIdentity *identity)
{
  if (!identity)
    return;
  g_free (identity->name);
  g_free (identity->certificate_path);
  g_free (identity->key_path);
  g_free (identity->ca_path);
  g_free (identity->crl_path);
  g_free (identity);
}

CertificateAuthority *
host_identity_load_authority (const char *directory, GError **error)
{
  g_autofree char *key_path = g_build_filename (directory, "ca-key.pem", NULL);
  g_autofree char *certificate_path = g_build_filename (directory, "ca.pem", NULL);
  g_autoptr (GError) cause = NULL;
  CertificateAuthority *authority = certificate_authority_load (key_path, certificate_path, &cause);

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    fail_code (error, G_IO_ERROR_NOT_FOUND,
               "this host is no publisher: it has no key of the site's CA (%s)", key_path);
  else if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    fail (error, "%s: only root may read it: run `gild invite` as root, which gives it to gildd",
          key_path);
  else if (cause)
    g_propagate_error (error, g_steal_pointer (&cause));
  return authority;
}

/* Write TEXT to NAME in DIRECTORY for the owner of the store.  */
static gboolean
write_own (const Config *config, const char *directory, const char *name, const char *text,
           int mode, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  return file_write_durably (path, text, strlen (text), mode, error)
         && site_give_to_owner (config, path, error);
}

gboolean
host_identity_write (const Config *config, const char *directory, const char *key_pem,
                     const char *certificate_pem, GError **error)
{
  return write_own (config, directory, "host-key.pem", key_pem, 0600, error)
         && write_own (config, directory, "host.pem", certificate_pem, 0644, error);
}

/* The certificate for NAME with the key of REQUEST, of the CA of the site in DIRECTORY.  */
static char *
issue (const char *directory, const char *name, const char *request, GError **error)
{
  g_autofree char *site_key_path = g_build_filename (directory, "site.pub", NULL);
  g_autofree char *site_key = file_read (site_key_path, SITE_KEY_SIZE_MAX, NULL, error);
  g_autoptr (CertificateAuthority) authority =
      site_key ? host_identity_load_authority (directory, error) : NULL;
  g_auto (gnutls_x509_crt_t) certificate =
      authority ? host_certificate_issue (authority, name, request, site_key, error) : NULL;

  return certificate ? certificate_to_pem (certificate, error) : NULL;
}

gboolean
host_identity_make (const Config *config, const char *directory, gpointer data, GError **error)
{
  const char *name = data;
  g_autofree char *issued_name = g_strdup_printf ("hosts/%s.pem", name);
  g_autofree char *issued_directory = g_build_filename (directory, "hosts", NULL);
  g_autofree char *key = NULL, *request = NULL;

  if (!host_certificate_request (name, &key, &request, error))
    return FALSE;
  g_autofree char *certificate = issue (directory, name, request, error);
  gboolean ok = certificate
                && (g_mkdir_with_parents (issued_directory, 0700) == 0
                    || fail_errno (error, "make %s", issued_directory))
                && write_own (config, directory, issued_name, certificate, 0644, error)
                && host_identity_write (config, directory, key, certificate, error);
  gnutls_memset (key, 0, strlen (key));
  return ok;
}

gboolean
host_identity_ensure (const Config *config, GError **error)
{
  g_autofree char *directory = config_state_path (config, "site", NULL);
  g_autofree char *ca_key_path = g_build_filename (directory, "ca-key.pem", NULL);
  g_autoptr (GError) cause = NULL;
  g_autoptr (HostIdentity) identity = host_identity_load (config, &cause);
  g_autofree char *name = host_name_default ();
  gboolean is_publisher = g_file_test (ca_key_path, G_FILE_TEST_EXISTS);

  if (!identity && (!is_publisher || !g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!identity && !host_identity_make (config, directory, name, error))
    return FALSE;
  // Last: while root still writes into it, the site is root's alone.
  return !is_publisher || geteuid () != 0
         || (site_directory_make_publisher (config, directory, error)
             && site_directory_open_to_service (config, directory, error));
}
