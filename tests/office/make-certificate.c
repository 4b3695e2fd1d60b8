// SPDX-License-Identifier: GPL-2.0-or-later
// A certificate as a site would give it to a host, or as it would have looked long ago.
//
//   make-certificate SITE NAME DIRECTORY [expired]
//
// SITE is a publisher's STATE/site; DIRECTORY gets host.pem and host-key.pem.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "network/host-certificate.h"
#include "qcow-backing/fail.h"

#define DAY (24 * 3600L)

static gboolean
write_pem (const char *directory, const char *name, const char *pem, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  return g_file_set_contents (path, pem, -1, error);
}

/* Have CERTIFICATE end ten days ago, and sign it again.  */
static gboolean
let_expire (gnutls_x509_crt_t certificate, const CertificateAuthority *authority, GError **error)
{
  time_t now = time (NULL);

  if (gnutls_x509_crt_set_activation_time (certificate, now - 20 * DAY) < 0
      || gnutls_x509_crt_set_expiration_time (certificate, now - 10 * DAY) < 0
      || gnutls_x509_crt_sign2 (certificate, authority->certificate, authority->key,
                                GNUTLS_DIG_SHA256, 0)
             < 0)
    return fail (error, "the certificate cannot be signed again");
  return TRUE;
}

static gboolean
make (const char *site, const char *name, const char *directory, gboolean expired, GError **error)
{
  g_autofree char *ca_path = g_build_filename (site, "ca.pem", NULL);
  g_autofree char *ca_key_path = g_build_filename (site, "ca-key.pem", NULL);
  g_autofree char *site_key_path = g_build_filename (site, "site.pub", NULL);
  g_autofree char *site_key = NULL, *key = NULL, *request = NULL;
  g_autoptr (CertificateAuthority) authority =
      certificate_authority_load (ca_key_path, ca_path, error);

  if (!authority || !g_file_get_contents (site_key_path, &site_key, NULL, error)
      || !host_certificate_request (name, &key, &request, error))
    return FALSE;
  gnutls_x509_crt_t certificate =
      host_certificate_issue (authority, name, request, site_key, error);
  g_autofree char *pem = NULL;
  gboolean done = certificate && (!expired || let_expire (certificate, authority, error))
                  && (pem = certificate_to_pem (certificate, error))
                  && write_pem (directory, "host.pem", pem, error)
                  && write_pem (directory, "host-key.pem", key, error);
  if (certificate)
    gnutls_x509_crt_deinit (certificate);
  return done;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (argc < 4 || argc > 5 || (argc == 5 && !g_str_equal (argv[4], "expired")))
    {
      fprintf (stderr, "usage: make-certificate SITE NAME DIRECTORY [expired]\n");
      return 2;
    }
  if (make (argv[1], argv[2], argv[3], argc == 5, &error))
    return EXIT_SUCCESS;
  fprintf (stderr, "make-certificate: %s\n", error->message);
  return EXIT_FAILURE;
}
