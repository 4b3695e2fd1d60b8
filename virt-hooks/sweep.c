// SPDX-License-Identifier: GPL-2.0-or-later
// The sweep: removes what desktops that are gone have left on this host.
//
// Who kills the hook, libvirtd or the host at a bad moment leaves a mount, files or a pin of a
// desktop that does not run, and gildd, not being root, cannot unmount.  When is a desktop gone?
//
// - Nobody holds its overlays.  QEMU, and so qemu-storage-daemon below an attachment, locks some
//   bytes of every image file that it has open, the backing files too, whether it runs or is paused
//   (docs/interop/qemu-img.rst, "locking"): these locks go with the process, and can be seen from
//   every mount namespace.
// - Nothing of it is younger than a minute: between the hook's "prepare" and QEMU's opening them
//   nobody holds the overlays.
//
// gildd writes a pin before the hook makes anything, under the pins' lock.  So a desktop that is
// gone while the sweep holds this lock stays so until the sweep lets go of it; what somebody else
// locks is left for the next sweep.

#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attachment.h"
#include "keep.h"
#include "overlay-mount.h"
#include "qcow-backing/directory.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/pins.h"
#include "qcow-backing/spill-directory.h"

#define GONE_AFTER_SECONDS 60

typedef struct
{
  const Config *config;
  int desktops_fd; // RUN/desktops
  int spill_fd;    // STATE/spill, or -1
  int lock_fd;     // the pins' lock, or -1 as long as it is not needed
  time_t now;
} Sweep;

/* Whether NAME in PARENT_FD, if it is there, is old and nobody holds a file in it.  */
static gboolean
is_abandoned (const Sweep *sweep, int parent_fd, const char *name)
{
  struct stat status;

  if (parent_fd < 0 || fstatat (parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
    return parent_fd < 0 || errno == ENOENT;
  if (status.st_mtime > sweep->now - GONE_AFTER_SECONDS)
    return FALSE;
  int fd = directory_open (parent_fd, name);
  if (fd < 0)
    return errno == ENOTDIR; // a pin, or what does not belong here
  gboolean held = directory_is_held (fd);
  close (fd);
  return !held;
}

static gboolean
is_gone (const Sweep *sweep, const char *name)
{
  g_autofree char *pin = g_strconcat (name, PIN_SUFFIX, NULL);

  return is_abandoned (sweep, sweep->desktops_fd, pin)
         && is_abandoned (sweep, sweep->spill_fd, name)
         && is_abandoned (sweep, sweep->desktops_fd, name);
}

/* Take the pins' lock, unless it is taken or somebody else has it.  */
static gboolean
have_lock (Sweep *sweep)
{
  if (sweep->lock_fd < 0)
    sweep->lock_fd = pins_try_lock (sweep->desktops_fd);
  return sweep->lock_fd >= 0;
}

static gboolean
remove_desktop (const Sweep *sweep, const char *name, GError **error)
{
  g_autoptr (OverlayMount) mount = overlay_mount_open (sweep->config->run_dir, name, error);

  // What is still mounted of an attachment has lost its disk.
  return mount && attachment_unmount (sweep->config->run_dir, name, TRUE, error)
         && spill_directory_remove (sweep->config, name, error)
         && overlay_mount_remove (mount, error) && overlay_mount_remove_pin (mount, error);
}

/* The desktops that have something: each name is in it once.  */
static GHashTable *
names_of_desktops (const Sweep *sweep)
{
  GHashTable *names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const int places[] = { sweep->desktops_fd, sweep->spill_fd };

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autoptr (GPtrArray) entries = places[i] < 0 ? NULL : directory_names (places[i]);
      for (guint j = 0; entries && j < entries->len; j++)
        {
          const char *entry = entries->pdata[j];
          gsize length = strlen (entry);
          if (g_str_has_suffix (entry, PIN_SUFFIX))
            length -= strlen (PIN_SUFFIX);
          g_autofree char *name = g_strndup (entry, length);
          if (desktop_name_check (name, NULL))
            g_hash_table_add (names, g_steal_pointer (&name));
        }
    }
  return names;
}

static gboolean
sweep_all (Sweep *sweep, GError **error)
{
  g_autoptr (GHashTable) names = names_of_desktops (sweep);
  GHashTableIter iterator;
  gpointer name;
  gboolean done = TRUE;

  // Before the lock is taken, since it may take long.
  g_hash_table_iter_init (&iterator, names);
  while (g_hash_table_iter_next (&iterator, &name, NULL))
    if (is_gone (sweep, name))
      keep_run (sweep->config, name, NULL);
  g_hash_table_iter_init (&iterator, names);
  while (g_hash_table_iter_next (&iterator, &name, NULL))
    {
      // Looked at twice, so that nobody waits for the lock when there is nothing to do.
      if (!is_gone (sweep, name))
        continue;
      if (!have_lock (sweep))
        break;
      if (is_gone (sweep, name))
        done = remove_desktop (sweep, name, done ? error : NULL) && done;
    }
  return done;
}

gboolean
sweep_run (const Config *config, GError **error)
{
  g_autoptr (GError) cause = NULL;
  Sweep sweep = { config, overlay_mount_open_desktops (config->run_dir, &cause),
                  spill_directory_open (config, NULL), -1, time (NULL) };
  gboolean done = sweep.desktops_fd < 0 ? g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)
                                        : sweep_all (&sweep, error);

  if (!done && cause)
    g_propagate_error (error, g_steal_pointer (&cause));
  keep_sweep (config);
  if (sweep.desktops_fd >= 0)
    close (sweep.desktops_fd);
  if (sweep.spill_fd >= 0)
    close (sweep.spill_fd);
  if (sweep.lock_fd >= 0)
    close (sweep.lock_fd);
  return done;
}
