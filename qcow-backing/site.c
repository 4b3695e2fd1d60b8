// SPDX-License-Identifier: GPL-2.0-or-later
// The site: one organisation, its name and UUID, its signing key and its certificate authority.

#include "site.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificate-authority.h"
#include "fail.h"
#include "file-write.h"
#include "json-read.h"
#include "privilege.h"

#define FORMAT        "gild-site-1"
#define SERVICE_USER  "gild"
#define READER_USER   "nobody"
#define SITE_NAME_MAX 100

// Of the directory that a site is made in, beside where it will be.
#define UNFINISHED_PREFIX ".site-"

static gboolean
check_name (const char *name, GError **error)
{
  if (name[0] == '\0' || strlen (name) > SITE_NAME_MAX || !g_utf8_validate (name, -1, NULL))
    return fail (error, "a site's name has 1 to %d bytes of UTF-8", SITE_NAME_MAX);
  for (const char *c = name; *c; c++)
    if (g_ascii_iscntrl (*c))
      return fail (error, "a site's name has no control characters");
  return TRUE;
}

/* Make directory NAME of the state, which user gild shall own where root makes it.  */
static gboolean
make_service_directory (const Config *config, const char *name, mode_t mode, GError **error)
{
  g_autofree char *path = config_state_path (config, name, NULL);
  const struct passwd *user = geteuid () == 0 ? getpwnam (SERVICE_USER) : NULL;

  if (geteuid () == 0 && !user)
    return fail (error, "there is no user %s: `make install` or systemd-sysusers makes it",
                 SERVICE_USER);
  if (mkdir (path, mode) < 0 && errno != EEXIST)
    return fail_errno (error, "make %s", path);
  if (user && chown (path, user->pw_uid, user->pw_gid) < 0)
    return fail_errno (error, "give %s to user %s", path, SERVICE_USER);
  return TRUE;
}

static gboolean
make_state (const Config *config, GError **error)
{
  if (g_mkdir_with_parents (config->state_dir, 0755) < 0)
    return fail_errno (error, "make %s", config->state_dir);
  // QEMU goes through the last one, as a user of its own, to files that nobody else may read.
  return make_service_directory (config, "store.castr", 0750, error)
         && make_service_directory (config, "images", 0750, error)
         && make_service_directory (config, "spill", 0711, error);
}

/* Fill DIRECTORY with all that a site consists of.  */
static gboolean
fill_site (const char *directory, const char *name, GError **error)
{
  g_autofree char *json_path = g_build_filename (directory, "site.json", NULL);
  g_autofree char *secret_path = g_build_filename (directory, "site.sec", NULL);
  g_autofree char *public_path = g_build_filename (directory, "site.pub", NULL);
  g_autofree char *ca_key_path = g_build_filename (directory, "ca-key.pem", NULL);
  g_autofree char *ca_path = g_build_filename (directory, "ca.pem", NULL);
  g_autofree char *uuid = g_uuid_string_random ();
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "format");
  json_builder_add_string_value (builder, FORMAT);
  json_builder_set_member_name (builder, "name");
  json_builder_add_string_value (builder, name);
  json_builder_set_member_name (builder, "uuid");
  json_builder_add_string_value (builder, uuid);
  json_builder_end_object (builder);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *json = json_write (root);

  return signing_key_generate (secret_path, public_path, error)
         && certificate_authority_generate (name, ca_key_path, ca_path, error)
         && file_write_durably (json_path, json, strlen (json), 0644, error);
}

static void
remove_directory (const char *path)
{
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  const char *name;

  while (directory && (name = g_dir_read_name (directory)))
    {
      g_autofree char *file = g_build_filename (path, name, NULL);
      unlink (file);
    }
  rmdir (path);
}

/* Remove what an init that crashed has left in the state: keys that nothing was signed with.  */
static void
remove_unfinished (const Config *config)
{
  g_autoptr (GDir) state = g_dir_open (config->state_dir, 0, NULL);
  const char *name;

  while (state && (name = g_dir_read_name (state)))
    if (g_str_has_prefix (name, UNFINISHED_PREFIX))
      {
        g_autofree char *path = config_state_path (config, name, NULL);
        remove_directory (path);
      }
}

/* Give the site, which is complete in directory TEMPORARY, its name.  */
static gboolean
name_site (const Config *config, const char *temporary, const char *path, GError **error)
{
  if (!file_system_sync (config->state_dir, error))
    return FALSE;
  if (rename (temporary, path) < 0)
    return fail_errno (error, "make %s", path);
  if (file_system_sync (config->state_dir, error))
    return TRUE;
  rename (path, temporary); // nobody has used it yet, so init can be tried again
  return FALSE;
}

gboolean
site_init (const Config *config, const char *name, GError **error)
{
  g_autofree char *path = config_state_path (config, "site", NULL);
  g_autofree char *temporary = config_state_path (config, UNFINISHED_PREFIX "XXXXXX", NULL);

  if (!check_name (name, error))
    return FALSE;
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return fail (error, "%s exists: this host belongs to a site already", path);
  if (!make_state (config, error))
    return FALSE;
  remove_unfinished (config);
  if (!g_mkdtemp_full (temporary, 0755))
    return fail_errno (error, "make %s", path);
  if (!fill_site (temporary, name, error) || !name_site (config, temporary, path, error))
    {
      remove_directory (temporary);
      return FALSE;
    }
  return TRUE;
}

static gboolean
fail_no_site (const Config *config, GError **error)
{
  return fail_code (error, G_IO_ERROR_NOT_FOUND,
                    "this host belongs to no site (%s/site is not there): run `gild init SITE`",
                    config->state_dir);
}

Site *
site_load (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "site", "site.json", NULL);
  g_autofree char *text = NULL;
  gsize size;
  g_autoptr (GError) local_error = NULL;

  if (!g_file_get_contents (path, &text, &size, &local_error))
    {
      if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        fail_no_site (config, error);
      else
        g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonObject *object = root ? json_node_get_object (root) : NULL;
  const char *name = object ? json_read_string (object, "name", SITE_NAME_MAX, error) : NULL;
  const char *uuid = name ? json_read_string (object, "uuid", 36, error) : NULL;
  if (uuid && !g_uuid_string_is_valid (uuid))
    {
      fail (error, "\"uuid\" is not a UUID");
      uuid = NULL;
    }
  if (!uuid)
    {
      g_prefix_error (error, "%s: ", path);
      return NULL;
    }
  Site *site = g_new (Site, 1);
  site->name = g_strdup (name);
  site->uuid = g_strdup (uuid);
  return site;
}

void
site_free (Site *site)
{
  if (!site)
    return;
  g_free (site->name);
  g_free (site->uuid);
  g_free (site);
}

PublicKey *
site_load_public_key (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "site", "site.pub", NULL);
  g_autoptr (GError) local_error = NULL;
  PublicKey *key = public_key_load (path, &local_error);

  if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    fail_no_site (config, error);
  else if (local_error)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return key;
}

SigningKey *
site_load_signing_key (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "site", "site.sec", NULL);
  g_autofree char *site_path = config_state_path (config, "site", NULL);
  g_autoptr (GError) local_error = NULL;
  SigningKey *key = signing_key_load (path, &local_error);

  if (key)
    return key;
  if (!g_file_test (site_path, G_FILE_TEST_IS_DIR))
    fail_no_site (config, error);
  else if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    fail (error, "this host is no publisher: it has no signing key (%s)", path);
  else if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_ACCES))
    fail (error, "only root may read the signing key (%s): run gild as root, with sudo", path);
  else
    g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}

gboolean
site_owner_identity (const Config *config, ChildIdentity *identity, GError **error)
{
  g_autofree char *path = config_state_path (config, "store.castr", NULL);
  struct stat status;

  *identity = (ChildIdentity){ 0 };
  if (geteuid () != 0)
    return TRUE;
  if (stat (path, &status) < 0)
    return errno == ENOENT ? fail_no_site (config, error) : fail_errno (error, "%s", path);
  if (status.st_uid == 0 && getpwnam (SERVICE_USER))
    return fail (error,
                 "%s belongs to root, and must to the user that serves it: chown -R %s:%s %s", path,
                 SERVICE_USER, SERVICE_USER, path);
  *identity = (ChildIdentity){ status.st_uid != 0, status.st_uid, status.st_gid, FALSE };
  return TRUE;
}

gboolean
site_reader_identity (const Config *config, ChildIdentity *identity, GError **error)
{
  const struct passwd *user = getpwnam (READER_USER);

  if (!site_owner_identity (config, identity, error))
    return FALSE;
  if (identity->is_needed && !user)
    return fail (error, "there is no user %s to read the image as", READER_USER);
  if (identity->is_needed)
    *identity = (ChildIdentity){ TRUE, user->pw_uid, user->pw_gid, TRUE };
  return TRUE;
}

gboolean
site_become_store_owner (const Config *config, GError **error)
{
  ChildIdentity owner;

  if (!site_owner_identity (config, &owner, error))
    return FALSE;
  if (owner.is_needed && !privilege_change_user (owner.uid, owner.gid))
    return fail_errno (error, "become the owner of %s/store.castr", config->state_dir);
  return TRUE;
}
