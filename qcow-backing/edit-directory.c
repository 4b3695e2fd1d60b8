// SPDX-License-Identifier: GPL-2.0-or-later
// The directories STATE/edit/edit-XXXXXX: one for each edit that runs, with its overlay.

#include "edit-directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "directory.h"
#include "fail.h"
#include "file-lock.h"

#define LOCK         ".lock" // held while directories are made and swept
#define MODE         0711    // a guest's QEMU reaches the overlay by its name
#define RESERVE_PART 10      // what edits leave free: one part in that many of the disk

struct EditDirectory
{
  char *path;
  int fd; // locked
};

/* STATE/edit, which is made where it is missing; -1 on error.  */
static int
open_parent (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "edit", NULL);
  int fd = -1;

  if (mkdir (path, MODE) == 0 || errno == EEXIST)
    fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    fail_errno (error, "make %s", path);
  return fd;
}

/* Remove the directory NAME in PARENT_FD, unless somebody edits there.  */
static gboolean
sweep_one (int parent_fd, const char *name)
{
  int fd = directory_open (parent_fd, name);

  if (fd < 0)
    return errno == ENOENT;
  gboolean is_used = flock (fd, LOCK_EX | LOCK_NB) < 0;
  gboolean done =
      is_used || (directory_empty (fd) && unlinkat (parent_fd, name, AT_REMOVEDIR) == 0);
  int saved = errno;
  close (fd);
  errno = saved;
  return done;
}

static gboolean
sweep (const Config *config, int parent_fd, GError **error)
{
  g_autoptr (GPtrArray) names = directory_names (parent_fd);

  for (guint i = 0; names && i < names->len; i++)
    if (g_str_has_prefix (names->pdata[i], EDIT_DIRECTORY_PREFIX)
        && !sweep_one (parent_fd, names->pdata[i]))
      g_message ("cannot remove %s/edit/%s: %s", config->state_dir, (char *)names->pdata[i],
                 g_strerror (errno));
  return names || fail_errno (error, "read %s/edit", config->state_dir);
}

gboolean
edit_directory_sweep (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "edit", NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  int parent_fd = open_parent (config, error);
  int lock =
      parent_fd < 0 ? -1 : file_lock (parent_fd, LOCK, LOCK_EX, "another edit begins", error);
  gboolean done = lock >= 0 && sweep (config, parent_fd, error);
  if (lock >= 0)
    close (lock);
  if (parent_fd >= 0)
    close (parent_fd);
  return done;
}

static EditDirectory *
make_locked (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "edit", EDIT_DIRECTORY_PREFIX "XXXXXX", NULL);
  int fd = -1;

  if (g_mkdtemp_full (path, MODE))
    fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || flock (fd, LOCK_EX | LOCK_NB) < 0)
    {
      fail_errno (error, "make %s", path);
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  EditDirectory *directory = g_new (EditDirectory, 1);
  *directory = (EditDirectory){ g_steal_pointer (&path), fd };
  return directory;
}

EditDirectory *
edit_directory_make (const Config *config, GError **error)
{
  g_autoptr (EditDirectory) directory = NULL;
  int parent_fd = open_parent (config, error);
  int lock =
      parent_fd < 0 ? -1 : file_lock (parent_fd, LOCK, LOCK_EX, "another edit begins", error);

  if (lock >= 0 && sweep (config, parent_fd, error))
    directory = make_locked (config, error);
  if (lock >= 0)
    close (lock);
  if (parent_fd >= 0)
    close (parent_fd);
  return directory && edit_directory_check_room (directory, error) ? g_steal_pointer (&directory)
                                                                   : NULL;
}

void
edit_directory_remove (EditDirectory *directory)
{
  if (!directory)
    return;
  if (!directory_empty (directory->fd) || rmdir (directory->path) < 0)
    g_message ("cannot remove %s, the next edit does: %s", directory->path, g_strerror (errno));
  close (directory->fd);
  g_free (directory->path);
  g_free (directory);
}

gboolean
edit_directory_is_used (const Config *config, const char *name)
{
  g_autofree char *path = config_state_path (config, "edit", name, NULL);

  if (!g_str_has_prefix (name, EDIT_DIRECTORY_PREFIX) || strchr (name, '/'))
    return FALSE;
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  gboolean is_used = fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) < 0;
  if (fd >= 0)
    close (fd);
  return is_used;
}

const char *
edit_directory_path (const EditDirectory *directory)
{
  return directory->path;
}

int
edit_directory_fd (const EditDirectory *directory)
{
  return directory->fd;
}

gboolean
edit_directory_check_room (const EditDirectory *directory, GError **error)
{
  struct statvfs status;

  if (fstatvfs (directory->fd, &status) < 0)
    return fail_errno (error, "%s", directory->path);
  return status.f_bavail > status.f_blocks / RESERVE_PART
         || fail (
             error,
             "the disk with %s has only its last tenth left: free some of it, for the copy that is edited",
             directory->path);
}
