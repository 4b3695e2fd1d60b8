// SPDX-License-Identifier: GPL-2.0-or-later
// The directory of a site, STATE/site: there complete, or not at all.

#include "site-directory.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "fail.h"
#include "file-write.h"
#include "site.h"

#define DIRECTORY_MODE        0755
#define DIRECTORY_MODE_SHARED 01775 // each may remove and replace their own files alone

// Of the directory that a site is made in, beside where it will be.
#define UNFINISHED_PREFIX ".site-"

/* Make directory NAME of the state, which user gild shall own where root makes it.  */
static gboolean
make_service_directory (const Config *config, const char *name, mode_t mode, GError **error)
{
  g_autofree char *path = config_state_path (config, name, NULL);
  const struct passwd *user = geteuid () == 0 ? getpwnam (SITE_SERVICE_USER) : NULL;

  if (geteuid () == 0 && !user)
    return fail (error, "there is no user %s: `make install` or systemd-sysusers makes it",
                 SITE_SERVICE_USER);
  if (mkdir (path, mode) < 0 && errno != EEXIST)
    return fail_errno (error, "make %s", path);
  if (user && chown (path, user->pw_uid, user->pw_gid) < 0)
    return fail_errno (error, "give %s to user %s", path, SITE_SERVICE_USER);
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

/* Remove the directory at PATH and what is in it, which are files, and directories of files that
   are gild's: so no link is followed.  */
static void
remove_directory (const char *path)
{
  int fd = directory_open (AT_FDCWD, path);
  g_autoptr (GPtrArray) names = fd < 0 ? NULL : directory_names (fd);

  for (guint i = 0; names && i < names->len; i++)
    {
      int inner = directory_open (fd, names->pdata[i]);
      if (inner >= 0)
        {
          directory_empty (inner);
          close (inner);
        }
      unlinkat (fd, names->pdata[i], inner < 0 ? 0 : AT_REMOVEDIR);
    }
  if (fd >= 0)
    close (fd);
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
site_directory_open_to_service (const Config *config, const char *directory, GError **error)
{
  ChildIdentity owner;

  if (!site_owner_identity (config, &owner, error))
    return FALSE;
  if (owner.is_needed
      && (chown (directory, 0, owner.gid) < 0 || chmod (directory, DIRECTORY_MODE_SHARED) < 0))
    return fail_errno (error, "open %s to user %s", directory, SITE_SERVICE_USER);
  return TRUE;
}

static gboolean
make_own_directory (const Config *config, const char *directory, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  if (mkdir (path, 0700) < 0 && errno != EEXIST)
    return fail_errno (error, "make %s", path);
  return site_give_to_owner (config, path, error);
}

gboolean
site_directory_make_publisher (const Config *config, const char *directory, GError **error)
{
  g_autofree char *ca_key_path = g_build_filename (directory, "ca-key.pem", NULL);

  return make_own_directory (config, directory, "hosts", error)
         && make_own_directory (config, directory, "invitations", error)
         && site_give_to_owner (config, ca_key_path, error);
}

gboolean
site_directory_create (const Config *config, SiteFill fill, gpointer data, GError **error)
{
  g_autofree char *path = config_state_path (config, "site", NULL);
  g_autofree char *temporary = config_state_path (config, UNFINISHED_PREFIX "XXXXXX", NULL);

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return fail (error, "%s exists: this host belongs to a site already", path);
  if (!make_state (config, error))
    return FALSE;
  remove_unfinished (config);
  if (!g_mkdtemp_full (temporary, DIRECTORY_MODE))
    return fail_errno (error, "make %s", path);
  if (!fill (config, temporary, data, error)
      || !site_directory_open_to_service (config, temporary, error)
      || !name_site (config, temporary, path, error))
    {
      remove_directory (temporary);
      return FALSE;
    }
  return TRUE;
}
