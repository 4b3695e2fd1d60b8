// SPDX-License-Identifier: GPL-2.0-or-later
// What checks have found, and where those that run keep what the guest says.

#include "check-results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "fail.h"
#include "file-lock.h"
#include "file-write.h"
#include "image-name.h"
#include "site.h"

#define CHECKS         "checks"
#define RUNNING        ".running"
#define LOCK           ".lock"
#define DIRECTORY_MODE 0750
#define FILE_MODE      0640
#define ID_LENGTH      8

struct CheckDirectory
{
  const Config *config;
  char *id, *path;
  int fd; // locked
};

gboolean
check_results_prepare (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, CHECKS, NULL);

  if (mkdir (path, DIRECTORY_MODE) < 0 && errno != EEXIST)
    return fail_errno (error, "make %s", path);
  return site_give_to_owner (config, path, error);
}

/* -1 on error.  */
static int
lock_checks (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, CHECKS, LOCK, NULL);

  return file_lock (AT_FDCWD, path, LOCK_EX, NULL, error);
}

static gboolean
remove_directory (const char *path, GError **error)
{
  int fd = directory_open (AT_FDCWD, path);
  gboolean done = fd >= 0 ? directory_empty (fd) && rmdir (path) == 0 : errno == ENOENT;

  if (!done)
    fail_errno (error, "remove %s", path);
  if (fd >= 0)
    close (fd);
  return done;
}

/* The names in the directory at PATH, but those that begin with a dot; none where it is missing. */
static GPtrArray *
visible_names (const char *path)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  const char *name;

  while (directory && (name = g_dir_read_name (directory)))
    if (name[0] != '.')
      g_ptr_array_add (names, g_strdup (name));
  return names;
}

/* Open the directory at PATH and lock it; -1 with errno where somebody has.  */
static int
open_locked (const char *path)
{
  int fd = directory_open (AT_FDCWD, path);

  if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) < 0)
    {
      int failure = errno;
      close (fd);
      errno = failure;
      return -1;
    }
  return fd;
}

/* Remove the directories of checks that do not run.  With the lock held.  */
static gboolean
sweep_running (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, CHECKS, RUNNING, NULL);
  g_autoptr (GPtrArray) ids = visible_names (path);

  for (guint i = 0; i < ids->len; i++)
    {
      g_autofree char *directory = g_build_filename (path, ids->pdata[i], NULL);
      int fd = open_locked (directory);
      gboolean done = fd < 0 || remove_directory (directory, error);
      if (fd >= 0)
        close (fd);
      if (!done)
        return FALSE;
    }
  return TRUE;
}

static gboolean
make_directory (CheckDirectory *self, GError **error)
{
  g_autofree char *parent = config_state_path (self->config, CHECKS, RUNNING, NULL);

  self->id = g_strdup_printf ("%0*x", ID_LENGTH, g_random_int ());
  self->path = g_build_filename (parent, self->id, NULL);
  if ((mkdir (parent, DIRECTORY_MODE) < 0 && errno != EEXIST)
      || mkdir (self->path, DIRECTORY_MODE) < 0 || (self->fd = open_locked (self->path)) < 0)
    return fail_errno (error, "make %s", self->path);
  return TRUE;
}

CheckDirectory *
check_directory_make (const Config *config, GError **error)
{
  int lock = lock_checks (config, error);

  if (lock < 0)
    return NULL;
  g_autoptr (CheckDirectory) self = g_new0 (CheckDirectory, 1);
  self->config = config;
  self->fd = -1;
  gboolean made = sweep_running (config, error) && make_directory (self, error);
  close (lock);
  return made ? g_steal_pointer (&self) : NULL;
}

void
check_directory_free (CheckDirectory *self)
{
  if (!self)
    return;
  if (self->fd >= 0)
    {
      remove_directory (self->path, NULL); // else the next check does
      close (self->fd);
    }
  g_free (self->id);
  g_free (self->path);
  g_free (self);
}

const char *
check_directory_id (const CheckDirectory *directory)
{
  return directory->id;
}

char *
check_directory_file (const CheckDirectory *directory, const char *name)
{
  return g_build_filename (directory->path, name, NULL);
}

gboolean
check_is_running (const Config *config, const char *id)
{
  g_autofree char *path = config_state_path (config, CHECKS, RUNNING, id, NULL);

  if (id[0] == '\0' || id[0] == '.' || strchr (id, '/'))
    return FALSE;
  int fd = open_locked (path);
  if (fd < 0)
    return errno == EWOULDBLOCK;
  close (fd);
  return FALSE;
}

char *
check_results_file (const Config *config, const char *image, guint version, const char *name)
{
  g_autofree char *number = g_strdup_printf ("%u", version);

  return config_state_path (config, CHECKS, image, number, name, NULL);
}

/* Have the file NAME, which may be NULL, of DIRECTORY in TARGET.  */
static gboolean
move_file (const CheckDirectory *directory, const char *name, const char *target, GError **error)
{
  g_autofree char *from = name ? check_directory_file (directory, name) : NULL;
  g_autofree char *to = name ? g_build_filename (target, name, NULL) : NULL;

  return !name || (chmod (from, FILE_MODE) == 0 && rename (from, to) == 0)
         || fail_errno (error, "keep %s", to);
}

/* With the lock held.  */
static gboolean
replace_result (const CheckDirectory *directory, const CheckRecord *record, GError **error)
{
  g_autofree char *target =
      check_results_file (directory->config, record->image, record->version, NULL);
  g_autofree char *path = g_build_filename (target, CHECK_RECORD_FILE, NULL);
  g_autofree char *json = check_record_to_json (record);

  if (g_mkdir_with_parents (target, DIRECTORY_MODE) < 0)
    return fail_errno (error, "make %s", target);
  if (unlink (path) < 0 && errno != ENOENT)
    return fail_errno (error, "remove %s", path);
  int fd = directory_open (AT_FDCWD, target);
  gboolean emptied = fd >= 0 && directory_empty (fd);
  if (!emptied)
    fail_errno (error, "empty %s", target);
  if (fd >= 0)
    close (fd);
  return emptied && move_file (directory, record->console, target, error)
         && move_file (directory, record->screenshot, target, error)
         && file_system_sync (target, error)
         && file_write_durably (path, json, strlen (json), FILE_MODE, error);
}

gboolean
check_directory_keep (CheckDirectory *directory, const CheckRecord *record, GError **error)
{
  int lock = lock_checks (directory->config, error);

  if (lock < 0)
    return FALSE;
  gboolean kept = replace_result (directory, record, error);
  close (lock);
  return kept;
}

/* At most CHECK_RECORD_SIZE_MAX bytes and one more of the file at PATH; NULL and errno on error. */
static char *
read_bounded (const char *path, gsize *size)
{
  g_autofree char *text = g_malloc (CHECK_RECORD_SIZE_MAX + 1);
  FILE *file = fopen (path, "re");

  if (!file)
    return NULL;
  *size = fread (text, 1, CHECK_RECORD_SIZE_MAX + 1, file);
  gboolean is_read = !ferror (file);
  fclose (file);
  return is_read ? g_steal_pointer (&text) : NULL;
}

CheckRecord *
check_results_load (const Config *config, const char *image, guint version, GError **error)
{
  g_autofree char *path = check_results_file (config, image, version, CHECK_RECORD_FILE);
  gsize size;
  g_autofree char *text = read_bounded (path, &size);
  CheckRecord *record = NULL;

  if (!text && errno == ENOENT)
    return NULL;
  if (!text)
    fail_errno (error, "read %s", path);
  else if (size > CHECK_RECORD_SIZE_MAX)
    fail (error, "%s is larger than a result: `gild check %s@%u` makes it anew", path, image,
          version);
  else if (!(record = check_record_from_json (text, size, error)))
    g_prefix_error (error, "%s: ", path);
  return record;
}

/* Remove the results of versions of IMAGE that are gone, and its directory if it was the last.  */
static gboolean
sweep_image (const ImageLibrary *library, const char *directory, const char *image, GError **error)
{
  g_autofree char *path = g_build_filename (directory, image, NULL);
  g_autoptr (GPtrArray) numbers = visible_names (path);

  for (guint i = 0; i < numbers->len; i++)
    {
      g_autofree char *result = g_build_filename (path, numbers->pdata[i], NULL);
      guint version;
      if (!version_parse (numbers->pdata[i], &version, NULL))
        continue;
      g_autofree char *record = image_library_version_path (library, image, version, ".json.sig");
      if (!g_file_test (record, G_FILE_TEST_EXISTS) && !remove_directory (result, error))
        return FALSE;
    }
  rmdir (path); // only an empty one goes
  return TRUE;
}

/* With the lock held.  */
static gboolean
sweep_results (const ImageLibrary *library, const char *directory, GError **error)
{
  g_autoptr (GPtrArray) departments = visible_names (directory);

  for (guint i = 0; i < departments->len; i++)
    {
      g_autofree char *department = g_build_filename (directory, departments->pdata[i], NULL);
      g_autoptr (GPtrArray) names = visible_names (department);
      for (guint j = 0; j < names->len; j++)
        {
          g_autofree char *image = g_build_filename (departments->pdata[i], names->pdata[j], NULL);
          if (image_name_check (image, NULL) && !sweep_image (library, directory, image, error))
            return FALSE;
        }
      rmdir (department);
    }
  return TRUE;
}

gboolean
check_results_sweep (const Config *config, const ImageLibrary *library, GError **error)
{
  g_autofree char *directory = config_state_path (config, CHECKS, NULL);

  if (!g_file_test (directory, G_FILE_TEST_IS_DIR))
    return TRUE;
  int lock = lock_checks (config, error);
  if (lock < 0)
    return FALSE;
  gboolean done = sweep_running (config, error) && sweep_results (library, directory, error);
  close (lock);
  return done;
}
