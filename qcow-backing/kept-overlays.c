// SPDX-License-Identifier: GPL-2.0-or-later
// The overlays that are kept: STATE/kept/NAME, what a desktop had written when it was shut down.

#include "kept-overlays.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "fail.h"
#include "file-lock.h"
#include "file-read.h"
#include "image-name.h"
#include "json-read.h"
#include "spill-directory.h"

#define PIN_SIZE_MAX 65536
#define FAILURE_MAX  4096
#define DATE_MAX     64

void
kept_overlays_free (KeptOverlays *kept)
{
  if (!kept)
    return;
  if (kept->pin)
    pin_free (kept->pin);
  g_free (kept->since);
  g_free (kept->at);
  g_free (kept->failure);
  g_free (kept);
}

char *
kept_path (const Config *config, const char *name, const char *file)
{
  return config_state_path (config, "kept", name, file, NULL);
}

char *
kept_layer_path (const Config *config, const char *name, const char *target, guint layer)
{
  g_autofree char *file = g_strdup_printf ("%s.%u.qcow2", target, layer);

  return kept_path (config, name, file);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Every name in STATE/kept that a desktop can have.  */
static GPtrArray *
directory_names_in (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "kept", NULL);
  int fd = directory_open (AT_FDCWD, path);

  if (fd < 0 && errno == ENOENT)
    return g_ptr_array_new_with_free_func (g_free);
  GPtrArray *names = fd < 0 ? NULL : directory_names (fd);
  if (!names)
    fail_errno (error, "read %s", path);
  if (fd >= 0)
    close (fd);
  for (guint i = names ? names->len : 0; i-- > 0;)
    if (!desktop_name_check (names->pdata[i], NULL))
      g_ptr_array_remove_index_fast (names, i);
  return names;
}

GPtrArray *
kept_names (const Config *config, GError **error)
{
  GPtrArray *names = directory_names_in (config, error);

  for (guint i = names ? names->len : 0; i-- > 0;)
    {
      g_autofree char *path = kept_path (config, names->pdata[i], KEPT_PIN);
      if (access (path, F_OK) < 0)
        g_ptr_array_remove_index_fast (names, i);
    }
  if (names)
    g_ptr_array_sort (names, compare_names);
  return names;
}

static guint64
measure (const Config *config, const KeptOverlays *kept)
{
  guint64 bytes = 0;

  for (guint i = 0; i < kept->pin->targets->len; i++)
    for (guint layer = 0; layer < kept->layers; layer++)
      {
        g_autofree char *path =
            kept_layer_path (config, kept->pin->name, kept->pin->targets->pdata[i], layer);
        struct stat status;
        if (lstat (path, &status) == 0)
          bytes += (guint64)status.st_blocks * 512;
      }
  return bytes;
}

static gboolean
read_kept (KeptOverlays *kept, JsonNode *node, GError **error)
{
  JsonObject *object = json_node_get_object (node);
  guint64 layers;

  if (!(kept->pin = pin_read (node, error))
      || !(kept->since = g_strdup (json_read_string (object, "since", DATE_MAX, error)))
      || !(kept->at = g_strdup (json_read_string (object, "kept", DATE_MAX, error)))
      || !json_read_uint (object, "layers", 0, SPILL_LAYERS_MAX + 1, &layers, error))
    return FALSE;
  kept->layers = (guint)layers;
  if (!json_object_has_member (object, "failure"))
    return layers > 0 || fail (error, "it has no layers");
  kept->failure = g_strdup (json_read_string (object, "failure", FAILURE_MAX, error));
  return kept->failure != NULL;
}

KeptOverlays *
kept_load (const Config *config, const char *name, GError **error)
{
  g_autoptr (KeptOverlays) kept = g_new0 (KeptOverlays, 1);
  g_autofree char *path = kept_path (config, name, KEPT_PIN);
  gsize size;
  g_autofree char *text = file_read (path, PIN_SIZE_MAX, &size, error);
  g_autoptr (JsonNode) node = text ? json_read_object (text, size, PIN_FORMAT, error) : NULL;

  if (!text)
    return NULL;
  if (!node || !read_kept (kept, node, error)
      || (!g_str_equal (kept->pin->name, name) && !fail (error, "it is another desktop's")))
    {
      g_prefix_error (error, "%s: ", path);
      return NULL;
    }
  kept->bytes = measure (config, kept);
  return g_steal_pointer (&kept);
}

int
kept_lock (const Config *config, gboolean wait, GError **error)
{
  g_autofree char *directory = config_state_path (config, "kept", NULL);
  g_autofree char *path = config_state_path (config, "kept", ".lock", NULL);

  // All may see what is kept: gildd, and gc, which must leave what it needs.
  if ((mkdir (directory, 0755) < 0 && errno != EEXIST)
      || (geteuid () == 0 && chmod (directory, 0755) < 0))
    {
      fail_errno (error, "make %s", directory);
      return -1;
    }
  return file_lock (AT_FDCWD, path, wait ? LOCK_EX : LOCK_EX | LOCK_NB, NULL, error);
}

int
kept_hold (const Config *config, const char *name, GError **error)
{
  g_autofree char *path = kept_path (config, name, NULL);
  g_autofree char *pin = kept_path (config, name, KEPT_PIN);
  int fd = directory_open (AT_FDCWD, path);
  gboolean is_locked = fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) == 0;

  if (is_locked && access (pin, F_OK) == 0)
    return fd;
  if (fd >= 0 && !is_locked)
    fail (error, "what is kept of %s is captured or dropped just now, by another gild", name);
  else
    fail_code (error, G_IO_ERROR_NOT_FOUND, "nothing is kept of %s", name);
  if (fd >= 0)
    close (fd);
  return -1;
}

gboolean
kept_remove (const Config *config, const char *name, GError **error)
{
  g_autofree char *path = kept_path (config, name, NULL);
  int fd = directory_open (AT_FDCWD, path);

  if (fd < 0)
    return errno == ENOENT || fail_errno (error, "open %s", path);
  // First and for good, so that no power cut leaves it without what it says is there.
  gboolean done = (unlinkat (fd, KEPT_PIN, 0) == 0 || errno == ENOENT) && fsync (fd) == 0
                  && directory_empty (fd) && rmdir (path) == 0;
  if (!done)
    fail_errno (error, "remove %s", path);
  close (fd);
  return done;
}
