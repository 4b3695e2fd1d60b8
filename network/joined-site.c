// SPDX-License-Identifier: GPL-2.0-or-later
// A site that this host joins.

#include "joined-site.h"

#include <string.h>
#include <unistd.h>

#include "admission.h"
#include "host-identity.h"
#include "host-list.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/gnutls-handles.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/site.h"
#include "revocation.h"

#define PEM_SIZE_MAX   16384
#define IMAGES_MAX     100000
#define IMAGE_SIZE_MAX 200

static gboolean
check_format (JsonObject *answer, GError **error)
{
  const char *format = json_read_string (answer, "format", 100, error);

  return format
         && (g_str_equal (format, ADMISSION_ANSWER_FORMAT)
             || fail (error, "its format is \"%s\", this gild reads \"%s\"", format,
                      ADMISSION_ANSWER_FORMAT));
}

/* Whether CERTIFICATE is this host's, and names SITE_KEY.  */
static gboolean
check_certificate (const JoinedSite *joined, gnutls_x509_crt_t certificate, const char *site_key,
                   GError **error)
{
  g_autofree char *name = host_certificate_name (certificate, error);

  if (!name || !host_certificate_verify (certificate, joined->ca, error))
    return FALSE;
  if (!g_str_equal (name, joined->name) || !host_certificate_has_key (certificate, joined->key_pem))
    return fail (error, "the certificate is not the one that this host asked for");
  return host_certificate_names_site_key (certificate, site_key)
         || fail (error, "the public key is not the one that the site's CA knows");
}

/* Write the host's certificate, the CA's, and the site's key.  */
static gboolean
write_identity (const Config *config, const char *directory, const JoinedSite *joined,
                GError **error)
{
  g_autofree char *public_path = g_build_filename (directory, "site.pub", NULL);
  g_autofree char *ca_path = g_build_filename (directory, "ca.pem", NULL);
  const char *site_key = json_read_string (joined->answer, "public_key", PEM_SIZE_MAX, error);
  const char *pem =
      site_key ? json_read_string (joined->answer, "certificate", PEM_SIZE_MAX, error) : NULL;
  g_autofree char *ca_pem = pem ? certificate_to_pem (joined->ca, error) : NULL;
  g_auto (gnutls_x509_crt_t) certificate =
      ca_pem ? certificate_parse (pem, strlen (pem), error) : NULL;
  g_autoptr (PublicKey) key =
      certificate ? public_key_parse (site_key, strlen (site_key), error) : NULL;

  return key && check_certificate (joined, certificate, site_key, error)
         && file_write_durably (public_path, site_key, strlen (site_key), 0644, error)
         && file_write_durably (ca_path, ca_pem, strlen (ca_pem), 0644, error)
         && host_identity_write (config, directory, joined->key_pem, pem, error);
}

static gboolean
write_revocations (const Config *config, const char *directory, const JoinedSite *joined,
                   GError **error)
{
  g_autofree char *ca_path = g_build_filename (directory, "ca.pem", NULL);
  g_autofree char *path = g_build_filename (directory, "crl.pem", NULL);
  g_autofree char *lock_path = g_strconcat (path, ".lock", NULL);
  JsonNode *node = json_object_get_member (joined->answer, "crl");
  gboolean taken;

  if (node && JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  const char *pem = json_read_string (joined->answer, "crl", REVOCATION_SIZE_MAX, error);
  if (!pem || !revocation_install (ca_path, path, NULL, pem, strlen (pem), &taken, error))
    return FALSE;
  unlink (lock_path); // gildd makes its own
  return !taken || site_give_to_owner (config, path, error);
}

/* Whom this host asks first: who answered, as it was reached, and whom that knows.  */
static gboolean
write_hosts (const Config *config, const char *directory, const JoinedSite *joined, GError **error)
{
  g_autofree char *path = g_build_filename (directory, "hosts.json", NULL);
  g_autoptr (HostList) list = host_list_new (path, joined->name);
  g_autoptr (Host) publisher = host_new (joined->publisher, joined->address, joined->port);
  JsonArray *hosts = json_read_array (joined->answer, "hosts", HOSTS_MAX, error);
  gint64 now = g_get_monotonic_time ();

  for (guint i = 0; hosts && i < json_array_get_length (hosts); i++)
    {
      JsonNode *node = json_array_get_element (hosts, i);
      g_autoptr (Host) host = JSON_NODE_HOLDS_OBJECT (node)
                                  ? host_from_json (json_node_get_object (node), NULL, now, error)
                                  : NULL;
      if (!host)
        return JSON_NODE_HOLDS_OBJECT (node) ? FALSE : fail (error, "a host is no object");
      host_list_put (list, host);
    }
  publisher->is_origin = publisher->is_publisher = TRUE;
  publisher->seen_us = now;
  host_list_put (list, publisher);
  return hosts && host_list_save (list, error) && site_give_to_owner (config, path, error);
}

static gboolean
check_images (JsonObject *answer, GError **error)
{
  JsonArray *images = json_read_array (answer, "images", IMAGES_MAX, error);

  for (guint i = 0; images && i < json_array_get_length (images); i++)
    {
      JsonNode *node = json_array_get_element (images, i);
      JsonObject *entry = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      if (!entry)
        return fail (error, "an image is no object");
      const char *image = json_read_string (entry, "image", IMAGE_SIZE_MAX, error);
      guint64 serial;
      if (!image || !image_name_check (image, error)
          || !json_read_uint (entry, "serial", 1, G_MAXINT64, &serial, error))
        return FALSE;
    }
  return images != NULL;
}

gboolean
joined_site_write (const Config *config, const char *directory, const JoinedSite *joined,
                   GError **error)
{
  if (!check_format (joined->answer, error) || !check_images (joined->answer, error))
    return FALSE;
  JsonObject *object = json_read_member (joined->answer, "site", error);
  g_autoptr (Site) site = object ? site_from_json (object, error) : NULL;
  return site && write_identity (config, directory, joined, error)
         && write_revocations (config, directory, joined, error)
         && write_hosts (config, directory, joined, error) && site_write (site, directory, error);
}
