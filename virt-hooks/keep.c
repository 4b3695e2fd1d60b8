// SPDX-License-Identifier: GPL-2.0-or-later
// Keeping: what a desktop has written goes to STATE/kept at its end, if `gild keep` asked for that.
//
// The layer in RAM is copied, those on disk get a second name there.  RUN/desktops and STATE/spill
// are the user gild's, so everything there is reached by descriptor; STATE/kept is root's.

#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "overlay-mount.h"
#include "qcow-backing/directory.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/kept-overlays.h"
#include "qcow-backing/spill-directory.h"

#define PIN_SIZE_MAX  65536
#define COPY_SIZE_MAX (1u << 30) // of one system call

typedef struct
{
  const Config *config;
  const char *name;
  JsonNode *node;
  Pin *pin;
  int ram_fd, spill_fd; // directories with its layers; the latter may be -1
  int kept_fd;          // the directory where they go
} Keep;

static void
keep_clear (Keep *keep)
{
  const int fds[] = { keep->ram_fd, keep->spill_fd, keep->kept_fd };

  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    if (fds[i] >= 0)
      close (fds[i]);
  g_clear_pointer (&keep->node, json_node_unref);
  g_clear_pointer (&keep->pin, pin_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Keep, keep_clear)

/* Open the file NAME in DIRECTORY_FD, which is nothing else than a file.  -1 and errno.  */
static int
open_file (int directory_fd, const char *name)
{
  int fd = openat (directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat status;

  if (fd < 0 || (fstat (fd, &status) == 0 && S_ISREG (status.st_mode)))
    return fd;
  close (fd);
  errno = EINVAL;
  return -1;
}

/* The desktop's pin, if its overlays are to be kept.  */
static void
read_pin (Keep *keep)
{
  g_autofree char *file = g_strconcat (keep->name, PIN_SUFFIX, NULL);
  g_autofree char *text = g_malloc (PIN_SIZE_MAX + 1);
  int desktops_fd = overlay_mount_open_desktops (keep->config->run_dir, NULL);
  int fd = desktops_fd < 0 ? -1 : open_file (desktops_fd, file);
  gssize size = fd < 0 ? -1 : pread (fd, text, PIN_SIZE_MAX + 1, 0);

  if (fd >= 0)
    close (fd);
  if (desktops_fd >= 0)
    close (desktops_fd);
  if (size < 0 || size > PIN_SIZE_MAX
      || !(keep->node = json_read_object (text, (gsize)size, PIN_FORMAT, NULL)))
    return;
  keep->pin = pin_read (keep->node, NULL);
  if (keep->pin && (!keep->pin->keep || !g_str_equal (keep->pin->name, keep->name)))
    g_clear_pointer (&keep->pin, pin_free);
}

/* Whether they have been kept already.  */
static gboolean
is_kept (const Keep *keep, gboolean *is_anothers)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (KeptOverlays) kept = kept_load (keep->config, keep->name, &cause);
  JsonObject *object = json_node_get_object (keep->node);
  const char *since = json_read_string (object, "since", PIN_SIZE_MAX, NULL);

  *is_anothers = kept ? g_strcmp0 (kept->since, since) != 0
                      : !g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  return kept && !*is_anothers;
}

static gboolean
open_layers (Keep *keep, GError **error)
{
  g_autoptr (OverlayMount) mount = overlay_mount_open (keep->config->run_dir, keep->name, error);
  int spill_fd = spill_directory_open (keep->config, NULL);

  keep->ram_fd = mount ? overlay_mount_open_overlays (mount) : -1;
  keep->spill_fd = spill_fd < 0 ? -1 : directory_open (spill_fd, keep->name);
  if (spill_fd >= 0)
    close (spill_fd);
  return keep->ram_fd >= 0 || (mount && fail (error, "what it had in RAM is gone"));
}

/* An empty directory of it.  */
static gboolean
make_directory (Keep *keep, GError **error)
{
  g_autofree char *path = kept_path (keep->config, keep->name, NULL);

  if (!kept_remove (keep->config, keep->name, error))
    return FALSE;
  if (mkdir (path, 0755) < 0 || chmod (path, 0755) < 0
      || (keep->kept_fd = directory_open (AT_FDCWD, path)) < 0)
    return fail_errno (error, "make %s", path);
  return TRUE;
}

/* The LENGTH bytes at OFFSET.  */
static gboolean
copy_data (int from_fd, int to_fd, off_t offset, off_t length)
{
  while (length > 0)
    {
      off_t position = offset;
      gssize count = -1;
      if (lseek (to_fd, offset, SEEK_SET) == offset)
        count = sendfile (to_fd, from_fd, &position, (gsize)MIN (length, (off_t)COPY_SIZE_MAX));
      if (count <= 0)
        return FALSE;
      offset += count;
      length -= count;
    }
  return TRUE;
}

/* Copy what is in a file, and leave its holes.  FALSE and errno.  */
static gboolean
copy_file (int from_fd, int to_fd)
{
  off_t size = lseek (from_fd, 0, SEEK_END), end = 0, start;

  if (size < 0 || ftruncate (to_fd, size) < 0)
    return FALSE;
  while ((start = lseek (from_fd, end, SEEK_DATA)) >= 0)
    {
      end = lseek (from_fd, start, SEEK_HOLE);
      if (end < 0 || !copy_data (from_fd, to_fd, start, end - start))
        return FALSE;
    }
  return errno == ENXIO; // nothing but a hole is left
}

/* The disk's room but for the last tenth must take what DIRECTORY_FD's file takes.  */
static gboolean
has_room (const Keep *keep, int fd, GError **error)
{
  guint64 room = directory_room_bytes (keep->kept_fd);
  struct stat status;

  if (fstat (fd, &status) < 0)
    return fail_errno (error, "look at what it has written");
  guint64 needed = (guint64)status.st_blocks * 512;
  return needed <= room
         || fail (
             error,
             "the disk had no room for the %" G_GUINT64_FORMAT
             " MiB that it had in RAM, without its last tenth: make room, and keep it next time",
             (needed >> 20) + 1);
}

/* Copy the file open as FD to FILE in the kept directory.  */
static gboolean
keep_copy (const Keep *keep, int fd, const char *file, GError **error)
{
  if (!has_room (keep, fd, error))
    return FALSE;
  int to_fd = openat (keep->kept_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  gboolean done = to_fd >= 0 && copy_file (fd, to_fd) && fsync (to_fd) == 0;

  if (!done)
    fail_errno (error, "copy what it had written to %s", file);
  if (to_fd >= 0)
    close (to_fd);
  return done;
}

/* Give the file open as FD a second name, FILE in the kept directory; or copy it, where that is
   another file system.  */
static gboolean
keep_link (const Keep *keep, int fd, const char *file, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);

  if (linkat (AT_FDCWD, path, keep->kept_fd, file, AT_SYMLINK_FOLLOW) < 0)
    return keep_copy (keep, fd, file, error);
  return fsync (fd) == 0 || fail_errno (error, "write %s", file);
}

/* Keep layer LAYER of disk TARGET; *FOUND says whether there is one.  */
static gboolean
keep_layer (const Keep *keep, const char *target, guint layer, gboolean *found, GError **error)
{
  g_autofree char *file = layer > 1 ? g_strdup_printf ("%s.%u.qcow2", target, layer)
                                    : g_strconcat (target, ".qcow2", NULL);
  g_autofree char *kept_file = g_strdup_printf ("%s.%u.qcow2", target, layer);
  int directory_fd = layer ? keep->spill_fd : keep->ram_fd;
  int fd = directory_fd < 0 ? -1 : open_file (directory_fd, file);

  *found = fd >= 0;
  if (fd < 0)
    return directory_fd < 0 || errno == ENOENT || fail_errno (error, "open its %s", file);
  gboolean done =
      layer ? keep_link (keep, fd, kept_file, error) : keep_copy (keep, fd, kept_file, error);
  close (fd);
  return done;
}

/* All layers of all disks, which have as many; how many in *LAYERS.  */
static gboolean
keep_layers (const Keep *keep, guint *layers, GError **error)
{
  for (guint i = 0; i < keep->pin->targets->len; i++)
    {
      guint n = 0;
      gboolean found = TRUE;
      while (found && n <= SPILL_LAYERS_MAX)
        {
          if (!keep_layer (keep, keep->pin->targets->pdata[i], n, &found, error))
            return FALSE;
          n += found;
        }
      if (n == 0 || (i > 0 && n != *layers))
        return fail (error, "of disk %s not all is there that it had written",
                     (char *)keep->pin->targets->pdata[i]);
      *layers = n;
    }
  return keep->pin->targets->len > 0 || fail (error, "it has no disk");
}

/* The last step: from here on it is kept, or known why not.  */
static gboolean
write_pin (const Keep *keep, guint layers, const char *failure, GError **error)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *at = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");
  g_autofree char *path = kept_path (keep->config, keep->name, KEPT_PIN);
  JsonObject *pin = json_node_get_object (keep->node);

  json_object_set_string_member (pin, "kept", at);
  json_object_set_int_member (pin, "layers", failure ? 0 : layers);
  if (failure)
    json_object_set_string_member (pin, "failure", failure);
  g_autofree char *text = json_write (keep->node);
  return file_write_durably (path, text, strlen (text), 0644, error);
}

/* With the lock held.  */
static gboolean
keep_all (Keep *keep, GError **error)
{
  g_autoptr (GError) cause = NULL;
  gboolean is_anothers;
  guint layers = 0;

  if (is_kept (keep, &is_anothers))
    return TRUE;
  if (is_anothers)
    return fail (error,
                 "what was kept of %s before is still there: `gild keep --drop %s` removes it",
                 keep->name, keep->name);
  if (!make_directory (keep, error))
    return FALSE;
  if (open_layers (keep, &cause) && keep_layers (keep, &layers, &cause))
    return write_pin (keep, layers, NULL, error);
  if (kept_remove (keep->config, keep->name, NULL) && make_directory (keep, NULL))
    write_pin (keep, 0, cause->message, NULL);
  return fail (error, "what %s has written cannot be kept: %s", keep->name, cause->message);
}

gboolean
keep_run (const Config *config, const char *name, GError **error)
{
  g_auto (Keep) keep = { config, name, NULL, NULL, -1, -1, -1 };

  read_pin (&keep);
  if (!keep.pin)
    return TRUE;
  int lock = kept_lock (config, TRUE, error);
  if (lock < 0)
    return FALSE;
  // Whoever had the lock may have kept it and cleared away.
  keep_clear (&keep);
  keep = (Keep){ config, name, NULL, NULL, -1, -1, -1 };
  read_pin (&keep);
  gboolean done = !keep.pin || keep_all (&keep, error);
  close (lock);
  return done;
}

/* Whether NAME in STATE/kept has no pin.json.  */
static gboolean
is_litter (const Config *config, const char *name)
{
  g_autofree char *path = kept_path (config, name, KEPT_PIN);

  return access (path, F_OK) < 0 && errno == ENOENT;
}

void
keep_sweep (const Config *config)
{
  g_autofree char *path = config_state_path (config, "kept", NULL);
  int fd = directory_open (AT_FDCWD, path);
  g_autoptr (GPtrArray) names = fd < 0 ? NULL : directory_names (fd);
  int lock = names && names->len > 0 ? kept_lock (config, FALSE, NULL) : -1;

  for (guint i = 0; lock >= 0 && i < names->len; i++)
    if (((char *)names->pdata[i])[0] != '.' && is_litter (config, names->pdata[i]))
      kept_remove (config, names->pdata[i], NULL);
  if (lock >= 0)
    close (lock);
  if (fd >= 0)
    close (fd);
}
