// SPDX-License-Identifier: GPL-2.0-or-later
// The directories STATE/spill/NAME: the overlays on disk of desktops whose RAM is full.

#include "spill-directory.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "directory.h"
#include "fail.h"
#include "image-name.h"

char *
spill_layer_path (const Config *config, const char *name, const char *target, guint layer)
{
  g_autofree char *file = layer == 1 ? g_strconcat (target, ".qcow2", NULL)
                                     : g_strdup_printf ("%s.%u.qcow2", target, layer);

  return config_state_path (config, "spill", name, file, NULL);
}

int
spill_directory_open (const Config *config, GError **error)
{
  int state_fd = open (config->state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd = state_fd < 0 ? -1 : directory_open (state_fd, "spill");

  if (fd < 0)
    fail_errno (error, "open %s/spill", config->state_dir);
  if (state_fd >= 0)
    close (state_fd);
  return fd;
}

GPtrArray *
spill_directory_names (const Config *config, GError **error)
{
  g_autoptr (GError) cause = NULL;
  int fd = spill_directory_open (config, &cause);

  if (fd < 0 && g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return g_ptr_array_new_with_free_func (g_free);
  if (fd < 0)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return NULL;
    }
  GPtrArray *names = directory_names (fd);
  if (!names)
    fail_errno (error, "read %s/spill", config->state_dir);
  close (fd);
  for (guint i = names ? names->len : 0; i-- > 0;)
    if (!desktop_name_check (names->pdata[i], NULL))
      g_ptr_array_remove_index_fast (names, i);
  return names;
}

/* Remove the directory NAME in SPILL_FD, or what else has that name; errno on failure.  */
static gboolean
remove_at (int spill_fd, const char *name)
{
  int fd = directory_open (spill_fd, name);

  if (fd < 0)
    return errno == ENOENT || (errno == ENOTDIR && unlinkat (spill_fd, name, 0) == 0);
  gboolean emptied = directory_empty (fd);
  int saved = errno;
  close (fd);
  errno = saved;
  return emptied && (unlinkat (spill_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

gboolean
spill_directory_remove (const Config *config, const char *name, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (!desktop_name_check (name, error))
    return FALSE;
  int spill_fd = spill_directory_open (config, &cause);
  if (spill_fd < 0 && g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return TRUE;
  if (spill_fd < 0)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  gboolean done = remove_at (spill_fd, name);
  if (!done)
    fail_errno (error, "cannot remove %s/spill/%s, remove it by hand", config->state_dir, name);
  close (spill_fd);
  return done;
}
