// SPDX-License-Identifier: GPL-2.0-or-later
// What makes a host a publisher, to be carried to another one.

#include "publisher-keys.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-identity.h"
#include "host-list.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/gnutls-handles.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/site.h"
#include "revocation.h"

#define FORMAT        "gild-publisher-1"
#define TEXT_SIZE_MAX 16384 // of a key or a certificate

/* What was read; its strings are those of ROOT.  */
typedef struct
{
  JsonNode *root;
  Site *site;
  const char *public_key, *secret_key, *ca, *ca_key;
  const char *crl; // NULL: there is none
  JsonObject *certificates;
  CertificateAuthority *authority;
  const char *name; // that this host is to have where it belongs to no site
} PublisherKeys;

static void
publisher_keys_clear (PublisherKeys *keys)
{
  g_clear_pointer (&keys->root, json_node_unref);
  site_free (keys->site);
  certificate_authority_free (keys->authority);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PublisherKeys, publisher_keys_clear)

/* Put the file NAME of the site in DIRECTORY into OBJECT as MEMBER.  */
static gboolean
collect_file (JsonObject *object, const char *member, const char *directory, const char *name,
              GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  gsize size = 0;
  g_autofree char *text = file_read (path, TEXT_SIZE_MAX, &size, error);

  if (!text)
    return FALSE;
  json_object_set_string_member (object, member, text);
  gnutls_memset (text, 0, size);
  return TRUE;
}

static gboolean
collect_certificates (JsonObject *object, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, "hosts", NULL);
  g_autoptr (GDir) names = g_dir_open (path, 0, error);
  JsonObject *certificates = json_object_new ();
  const char *name;

  json_object_set_object_member (object, "certificates", certificates);
  while (names && (name = g_dir_read_name (names)))
    {
      g_autofree char *host = g_strdup (name);
      if (!g_str_has_suffix (host, ".pem"))
        continue;
      host[strlen (host) - strlen (".pem")] = '\0';
      if (host_name_check (host, NULL) && !collect_file (certificates, host, path, name, error))
        return FALSE;
    }
  return names != NULL;
}

static void
collect_crl (JsonObject *object, const char *directory)
{
  g_autofree char *path = g_build_filename (directory, "crl.pem", NULL);
  g_autofree char *crl = file_read (path, REVOCATION_SIZE_MAX, NULL, NULL);

  if (crl)
    json_object_set_string_member (object, "crl", crl);
  else
    json_object_set_null_member (object, "crl");
}

char *
publisher_keys_collect (const Config *config, GError **error)
{
  g_autofree char *directory = config_state_path (config, "site", NULL);
  g_autoptr (Site) site = site_load (config, error);
  g_autoptr (SigningKey) key = site ? site_load_signing_key (config, error) : NULL;
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_node_take_object (root, object);
  if (!key)
    return NULL;
  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_object_member (object, "site", site_to_json (site));
  collect_crl (object, directory);
  return collect_file (object, "public_key", directory, "site.pub", error)
                 && collect_file (object, "secret_key", directory, "site.sec", error)
                 && collect_file (object, "ca", directory, "ca.pem", error)
                 && collect_file (object, "ca_key", directory, "ca-key.pem", error)
                 && collect_certificates (object, directory, error)
             ? json_to_string (root, FALSE)
             : NULL;
}

/* Whether what SECRET signs verifies with PUBLIC.  */
static gboolean
check_signing_key (const PublisherKeys *keys, GError **error)
{
  g_autoptr (SigningKey) secret =
      signing_key_parse (keys->secret_key, strlen (keys->secret_key), error);
  g_autoptr (PublicKey) public =
      secret ? public_key_parse (keys->public_key, strlen (keys->public_key), error) : NULL;
  g_autoptr (GBytes) signed_text = public ? signature_sign (secret, "x", 1, error) : NULL;
  gsize size;
  g_autofree char *text = signed_text
                              ? signature_verify (public, g_bytes_get_data (signed_text, NULL),
                                                  g_bytes_get_size (signed_text), &size, error)
                              : NULL;

  return text != NULL;
}

static gboolean
check_certificates (const PublisherKeys *keys, GError **error)
{
  g_autoptr (GList) names = json_object_get_members (keys->certificates);

  for (GList *l = names; l; l = l->next)
    {
      const char *pem = json_read_string (keys->certificates, l->data, TEXT_SIZE_MAX, error);
      g_auto (gnutls_x509_crt_t) certificate =
          pem ? certificate_parse (pem, strlen (pem), error) : NULL;
      if (!certificate || !host_name_check (l->data, error)
          || !host_certificate_verify (certificate, keys->authority->certificate, error))
        {
          g_prefix_error (error, "the certificate of %s: ", (const char *)l->data);
          return FALSE;
        }
    }
  return g_list_length (names) <= HOSTS_MAX || fail (error, "there are too many certificates");
}

/* Read TEXT, every part of which has to fit the others.  */
static gboolean
parse (PublisherKeys *keys, const char *text, gsize size, GError **error)
{
  keys->root = json_read_object (text, size, FORMAT, error);
  JsonObject *object = keys->root ? json_node_get_object (keys->root) : NULL;
  JsonObject *site = object ? json_read_member (object, "site", error) : NULL;

  keys->site = site ? site_from_json (site, error) : NULL;
  if (!keys->site
      || !(keys->public_key = json_read_string (object, "public_key", TEXT_SIZE_MAX, error))
      || !(keys->secret_key = json_read_string (object, "secret_key", TEXT_SIZE_MAX, error))
      || !(keys->ca = json_read_string (object, "ca", TEXT_SIZE_MAX, error))
      || !(keys->ca_key = json_read_string (object, "ca_key", TEXT_SIZE_MAX, error))
      || !(keys->certificates = json_read_member (object, "certificates", error)))
    return FALSE;
  JsonNode *crl = json_object_get_member (object, "crl");
  if (!(crl && JSON_NODE_HOLDS_NULL (crl))
      && !(keys->crl = json_read_string (object, "crl", REVOCATION_SIZE_MAX, error)))
    return FALSE;
  keys->authority = certificate_authority_parse (keys->ca_key, keys->ca, error);
  return keys->authority && check_signing_key (keys, error) && check_certificates (keys, error);
}

/* Write TEXT to NAME of the site in DIRECTORY.  */
static gboolean
write_text (const char *directory, const char *name, const char *text, int mode, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  return file_write_durably (path, text, strlen (text), mode, error);
}

static gboolean
give (const Config *config, const char *directory, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  return site_give_to_owner (config, path, error);
}

/* Write who was let in and who was removed into the site in DIRECTORY.  */
static gboolean
write_hosts (const PublisherKeys *keys, const char *directory, GError **error)
{
  g_autofree char *crl_path = g_build_filename (directory, "crl.pem", NULL);
  g_autofree char *ca_path = g_build_filename (directory, "ca.pem", NULL);
  g_autofree char *hosts = g_build_filename (directory, "hosts", NULL);
  g_autofree char *invitations = g_build_filename (directory, "invitations", NULL);
  g_autoptr (GList) names = json_object_get_members (keys->certificates);
  gboolean taken;

  if ((mkdir (hosts, 0700) < 0 && errno != EEXIST)
      || (mkdir (invitations, 0700) < 0 && errno != EEXIST))
    return fail_errno (error, "make %s and invitations", hosts);
  for (GList *l = names; l; l = l->next)
    {
      g_autofree char *name = g_strconcat (l->data, ".pem", NULL);
      const char *pem = json_object_get_string_member (keys->certificates, l->data);
      if (!write_text (hosts, name, pem, 0644, error))
        return FALSE;
    }
  return !keys->crl
         || revocation_install (ca_path, crl_path, NULL, keys->crl, strlen (keys->crl), &taken,
                                error);
}

/* Revoke the certificate of the host in whose place this one comes.  */
static gboolean
revoke_predecessor (const PublisherKeys *keys, const char *directory, GError **error)
{
  g_autofree char *crl_path = g_build_filename (directory, "crl.pem", NULL);
  const char *pem =
      json_object_get_string_member_with_default (keys->certificates, keys->name, NULL);
  g_auto (gnutls_x509_crt_t) certificate =
      pem ? certificate_parse (pem, strlen (pem), error) : NULL;

  return !pem || (certificate && revocation_add (keys->authority, crl_path, certificate, error));
}

/* Let what root has written for gild be gild's.  */
static gboolean
give_hosts (const Config *config, const PublisherKeys *keys, const char *directory, GError **error)
{
  g_autoptr (GList) names = json_object_get_members (keys->certificates);
  g_autofree char *lock_path = g_build_filename (directory, "crl.pem.lock", NULL);
  g_autofree char *crl_path = g_build_filename (directory, "crl.pem", NULL);

  unlink (lock_path); // gildd makes its own
  for (GList *l = names; l; l = l->next)
    {
      g_autofree char *name = g_strdup_printf ("hosts/%s.pem", (const char *)l->data);
      if (!give (config, directory, name, error))
        return FALSE;
    }
  return !g_file_test (crl_path, G_FILE_TEST_EXISTS)
         || site_give_to_owner (config, crl_path, error);
}

/* A SiteFill: the publisher of the site, where there was none on this PC.  */
static gboolean
fill_site (const Config *config, const char *directory, gpointer data, GError **error)
{
  const PublisherKeys *keys = data;

  return write_text (directory, "site.pub", keys->public_key, 0644, error)
         && write_text (directory, "site.sec", keys->secret_key, 0600, error)
         && write_text (directory, "ca.pem", keys->ca, 0644, error)
         && write_text (directory, "ca-key.pem", keys->ca_key, 0600, error)
         && write_hosts (keys, directory, error) && revoke_predecessor (keys, directory, error)
         && give_hosts (config, keys, directory, error)
         && host_identity_make (config, directory, (gpointer)keys->name, error)
         && site_write (keys->site, directory, error)
         && site_directory_make_publisher (config, directory, error);
}

/* Whether this host, of SITE, belongs to the site of KEYS.  */
static gboolean
check_same_site (const PublisherKeys *keys, const Site *site, const char *directory, GError **error)
{
  g_autofree char *key_path = g_build_filename (directory, "site.pub", NULL);
  g_autofree char *ca_path = g_build_filename (directory, "ca.pem", NULL);
  g_autofree char *public_key = file_read (key_path, TEXT_SIZE_MAX, NULL, error);
  g_auto (gnutls_x509_crt_t) ca = public_key ? certificate_load (ca_path, error) : NULL;
  g_autofree char *own_ca = ca ? certificate_to_pem (ca, error) : NULL;
  g_autofree char *their_ca =
      own_ca ? certificate_to_pem (keys->authority->certificate, error) : NULL;

  if (!their_ca)
    return FALSE;
  return (g_str_equal (site->uuid, keys->site->uuid) && g_str_equal (public_key, keys->public_key)
          && g_str_equal (own_ca, their_ca))
         || fail (error, "the keys are those of site %s, and this host belongs to site %s",
                  keys->site->name, site->name);
}

static gboolean
write_hosts_as_owner (const Config *config, gpointer data, GError **error)
{
  g_autofree char *directory = config_state_path (config, "site", NULL);

  return write_hosts (data, directory, error);
}

/* Make this host of the site a publisher.  What makes it one comes last.  */
static gboolean
add_keys (const Config *config, PublisherKeys *keys, const char *directory, GError **error)
{
  return site_run_as_store_owner (config, write_hosts_as_owner, keys, error)
         && write_text (directory, "ca-key.pem", keys->ca_key, 0600, error)
         && give (config, directory, "ca-key.pem", error)
         && write_text (directory, "site.sec", keys->secret_key, 0600, error);
}

gboolean
publisher_keys_install (const Config *config, const char *text, gsize size, const char *name,
                        GError **error)
{
  g_auto (PublisherKeys) keys = { .name = name };
  g_autofree char *directory = config_state_path (config, "site", NULL);
  g_autoptr (GError) no_site = NULL;
  g_autoptr (Site) site = site_load (config, &no_site);

  if (!parse (&keys, text, size, error) || !host_name_check (name, error))
    return FALSE;
  if (site)
    return check_same_site (&keys, site, directory, error)
           && add_keys (config, &keys, directory, error);
  if (g_error_matches (no_site, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return site_directory_create (config, fill_site, &keys, error);
  g_propagate_error (error, g_steal_pointer (&no_site));
  return FALSE;
}
