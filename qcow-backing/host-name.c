// SPDX-License-Identifier: GPL-2.0-or-later
// The names of hosts.

#include "host-name.h"

#include <string.h>

#include "certificate-authority.h"
#include "fail.h"
#include "gnutls-handles.h"

#define CHARACTERS        "abcdefghijklmnopqrstuvwxyz0123456789-"
#define DEFAULT_HOST_NAME "host"

gboolean
host_name_check (const char *name, GError **error)
{
  gsize size = strlen (name);

  if (size >= 1 && size <= HOST_NAME_SIZE_MAX && strspn (name, CHARACTERS) == size
      && name[0] != '-')
    return TRUE;
  return fail_code (
      error, G_IO_ERROR_INVALID_ARGUMENT,
      "'%.100s' is not a host's name: write 1 to %d of a-z, 0-9 and '-', the first not being '-'",
      name, HOST_NAME_SIZE_MAX);
}

char *
host_name_default (void)
{
  g_autofree char *name = g_ascii_strdown (g_get_host_name (), -1);

  *strchrnul (name, '.') = '\0';
  name[MIN (strlen (name), HOST_NAME_SIZE_MAX)] = '\0';
  g_strcanon (name, CHARACTERS, '-');
  return g_strdup (host_name_check (name, NULL) ? name : DEFAULT_HOST_NAME);
}

char *
host_certificate_name (gnutls_x509_crt_t certificate, GError **error)
{
  g_autofree char *name = certificate_find_name (certificate, GNUTLS_SAN_DNSNAME, "", HOST_DOMAIN);

  if (!name)
    {
      fail (error, "the certificate is not a host's: it has no name that ends in " HOST_DOMAIN);
      return NULL;
    }
  name[strlen (name) - strlen (HOST_DOMAIN)] = '\0';
  return host_name_check (name, error) ? g_steal_pointer (&name) : NULL;
}

char *
host_name_own (const Config *config)
{
  g_autofree char *path = config_state_path (config, "site", "host.pem", NULL);
  g_auto (gnutls_x509_crt_t) certificate = certificate_load (path, NULL);
  char *name = certificate ? host_certificate_name (certificate, NULL) : NULL;

  return name ? name : host_name_default ();
}
