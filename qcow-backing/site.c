// SPDX-License-Identifier: GPL-2.0-or-later
// The site: one organisation, its name and UUID, its signing key and its certificate authority.

#include "site.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "certificate-authority.h"
#include "fail.h"
#include "file-write.h"
#include "json-read.h"
#include "privilege.h"

#define FORMAT        "gild-site-1"
#define READER_USER   "nobody"
#define SITE_NAME_MAX 100

gboolean
site_name_check (const char *name, GError **error)
{
  if (name[0] == '\0' || strlen (name) > SITE_NAME_MAX || !g_utf8_validate (name, -1, NULL))
    return fail (error, "a site's name has 1 to %d bytes of UTF-8", SITE_NAME_MAX);
  for (const char *c = name; *c; c++)
    if (g_ascii_iscntrl (*c))
      return fail (error, "a site's name has no control characters");
  return TRUE;
}

/* What site_init was asked for.  */
typedef struct
{
  const char *name;
  SiteFill more;
  gpointer data;
} Founding;

/* Fill DIRECTORY with all that a new site consists of.  */
static gboolean
fill_site (const Config *config, const char *directory, gpointer data, GError **error)
{
  const Founding *founding = data;
  g_autofree char *secret_path = g_build_filename (directory, "site.sec", NULL);
  g_autofree char *public_path = g_build_filename (directory, "site.pub", NULL);
  g_autofree char *ca_key_path = g_build_filename (directory, "ca-key.pem", NULL);
  g_autofree char *ca_path = g_build_filename (directory, "ca.pem", NULL);
  g_autofree char *uuid = g_uuid_string_random ();
  Site site = { (char *)founding->name, uuid };

  return signing_key_generate (secret_path, public_path, error)
         && certificate_authority_generate (founding->name, ca_key_path, ca_path, error)
         && site_write (&site, directory, error)
         && (!founding->more || founding->more (config, directory, founding->data, error))
         && site_directory_make_publisher (config, directory, error);
}

gboolean
site_init (const Config *config, const char *name, SiteFill more, gpointer data, GError **error)
{
  Founding founding = { name, more, data };

  return site_name_check (name, error)
         && site_directory_create (config, fill_site, &founding, error);
}

Site *
site_from_json (JsonObject *object, GError **error)
{
  const char *name = json_read_string (object, "name", SITE_NAME_MAX, error);
  const char *uuid = name ? json_read_string (object, "uuid", 36, error) : NULL;

  if (!uuid || !site_name_check (name, error))
    return NULL;
  if (!g_uuid_string_is_valid (uuid))
    {
      fail (error, "\"uuid\" is not a UUID");
      return NULL;
    }
  Site *site = g_new (Site, 1);
  site->name = g_strdup (name);
  site->uuid = g_strdup (uuid);
  return site;
}

JsonObject *
site_to_json (const Site *site)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_string_member (object, "name", site->name);
  json_object_set_string_member (object, "uuid", site->uuid);
  return object;
}

gboolean
site_write (const Site *site, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, "site.json", NULL);
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (root, site_to_json (site));
  g_autofree char *json = json_write (root);
  return file_write_durably (path, json, strlen (json), 0644, error);
}

static gboolean
fail_no_site (const Config *config, GError **error)
{
  return fail_code (
      error, G_IO_ERROR_NOT_FOUND,
      "this host belongs to no site (%s/site is not there): run `gild init SITE`, or `gild join TOKEN` with what `gild invite` prints there",
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
  Site *site = root ? site_from_json (json_node_get_object (root), error) : NULL;
  if (!site)
    g_prefix_error (error, "%s: ", path);
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
  if (status.st_uid == 0 && getpwnam (SITE_SERVICE_USER))
    return fail (error,
                 "%s belongs to root, and must to the user that serves it: chown -R %s:%s %s", path,
                 SITE_SERVICE_USER, SITE_SERVICE_USER, path);
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

gboolean
site_use_files_as_owner (const Config *config, gboolean as_owner, GError **error)
{
  ChildIdentity owner = { 0 };

  if (as_owner && !site_owner_identity (config, &owner, error))
    return FALSE;
  if (geteuid () == 0 && !privilege_use_files_as (owner.uid, owner.gid))
    return fail_errno (error, "use files as the owner of %s/store.castr", config->state_dir);
  return TRUE;
}

gboolean
site_give_to_owner (const Config *config, const char *path, GError **error)
{
  ChildIdentity owner;

  if (!site_owner_identity (config, &owner, error))
    return FALSE;
  return !owner.is_needed || lchown (path, owner.uid, owner.gid) == 0
         || fail_errno (error, "give %s to the owner of %s/store.castr", path, config->state_dir);
}

/* FUNC in a child, which writes its error to FD.  Does not return.  */
static void
run_in_child (const Config *config, SiteOwnerFunc func, gpointer data, int fd)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = site_become_store_owner (config, &error) && func (config, data, &error);

  if (!ok && write (fd, error->message, strlen (error->message)) < 0)
    _exit (EXIT_FAILURE);
  _exit (ok ? EXIT_SUCCESS : EXIT_FAILURE);
}

gboolean
site_run_as_store_owner (const Config *config, SiteOwnerFunc func, gpointer data, GError **error)
{
  int pipe_fds[2], status = 0;
  char sentence[4096];
  gsize length = 0;
  gssize count;

  if (geteuid () != 0)
    return func (config, data, error);
  if (!g_unix_open_pipe (pipe_fds, FD_CLOEXEC, error))
    return FALSE;
  pid_t child = fork ();
  if (child == 0)
    run_in_child (config, func, data, pipe_fds[1]);
  close (pipe_fds[1]);
  while (length < sizeof sentence - 1
         && (count = read (pipe_fds[0], sentence + length, sizeof sentence - 1 - length)) > 0)
    length += (gsize)count;
  sentence[length] = '\0';
  close (pipe_fds[0]);
  gboolean ended = child > 0 && waitpid (child, &status, 0) == child;
  return (ended && WIFEXITED (status) && WEXITSTATUS (status) == EXIT_SUCCESS)
         || fail (error, "%s", length > 0 ? sentence : "a child process has failed");
}
