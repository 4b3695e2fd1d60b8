// SPDX-License-Identifier: GPL-2.0-or-later
// The scripts of a night: DIRECTORY/DEPARTMENT/NAME, an executable for each image.
//
// Root runs them, so nobody else may be able to change one, nor put another in its place.

#include "nightly-scripts.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"

static void
script_free (gpointer data)
{
  NightlyScript *script = data;

  g_free (script->image);
  g_free (script->path);
  g_free (script->trouble);
  g_free (script);
}

/* Why what is at PATH, which STATUS describes, is not this user's alone; NULL if it is.  */
static char *
find_trouble (const char *path, const struct stat *status)
{
  if (status->st_uid != 0 && status->st_uid != geteuid ())
    return g_strdup_printf ("%s belongs to somebody else, and is not run: chown root", path);
  if (status->st_mode & (S_IWGRP | S_IWOTH))
    return g_strdup_printf ("others may write to %s, and it is not run: chmod go-w", path);
  return NULL;
}

/* Add the script NAME of DEPARTMENT, whose directory is at PATH, if it is one.  */
static void
add_script (GPtrArray *scripts, const char *path, const char *department, const char *name,
            const char *trouble)
{
  g_autofree char *image = g_strdup_printf ("%s/%s", department, name);
  g_autofree char *script_path = g_build_filename (path, name, NULL);
  struct stat status;

  if (!image_name_check (image, NULL) || stat (script_path, &status) < 0
      || !S_ISREG (status.st_mode) || !(status.st_mode & S_IXUSR))
    return;
  NightlyScript *script = g_new0 (NightlyScript, 1);
  script->trouble = trouble ? g_strdup (trouble) : find_trouble (script_path, &status);
  script->image = g_steal_pointer (&image);
  script->path = g_steal_pointer (&script_path);
  g_ptr_array_add (scripts, script);
}

static void
add_department (GPtrArray *scripts, const char *directory, const char *department,
                const char *directory_trouble)
{
  g_autofree char *path = g_build_filename (directory, department, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autofree char *trouble = NULL;
  struct stat status;
  const char *name;

  if (!dir || stat (path, &status) < 0)
    return;
  trouble = directory_trouble ? g_strdup (directory_trouble) : find_trouble (path, &status);
  while ((name = g_dir_read_name (dir)))
    add_script (scripts, path, department, name, trouble);
}

static int
compare_scripts (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(NightlyScript *const *)a)->image, (*(NightlyScript *const *)b)->image);
}

GPtrArray *
nightly_scripts (const char *directory, GError **error)
{
  g_autoptr (GPtrArray) scripts = g_ptr_array_new_with_free_func (script_free);
  g_autoptr (GDir) dir = NULL;
  struct stat status;
  const char *department;

  if (stat (directory, &status) < 0)
    {
      if (errno == ENOENT)
        return g_steal_pointer (&scripts);
      fail_errno (error, "%s", directory);
      return NULL;
    }
  g_autofree char *trouble = find_trouble (directory, &status);
  if (!(dir = g_dir_open (directory, 0, error)))
    return NULL;
  while ((department = g_dir_read_name (dir)))
    add_department (scripts, directory, department, trouble);
  g_ptr_array_sort (scripts, compare_scripts);
  return g_steal_pointer (&scripts);
}
