// SPDX-License-Identifier: GPL-2.0-or-later
// The pins: RUN/desktops/NAME.json, what each running desktop booted, which gc must leave.

#include "pins.h"

#include <fcntl.h>
#include <unistd.h>

#include "desktop-limits.h"
#include "fail.h"
#include "file-lock.h"
#include "image-name.h"
#include "json-read.h"

#define LOCK           ".lock"
#define NAME_MAX_BYTES 200

int
pins_lock (const Config *config, GError **error)
{
  g_autofree char *path = config_run_path (config, "desktops", LOCK, NULL);

  return file_lock (AT_FDCWD, path, LOCK_EX, NULL, error);
}

int
pins_try_lock (int desktops_fd)
{
  // Not made here: it would be root's, and gildd could not open it.
  int fd = openat (desktops_fd, LOCK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

  if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) < 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}

Pin *
pin_read (JsonNode *node, GError **error)
{
  g_autoptr (Pin) pin = g_new0 (Pin, 1);
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonArray *disks;

  pin->images = g_ptr_array_new_with_free_func (g_free);
  if (!object)
    {
      fail (error, "it is not an object");
      return NULL;
    }
  pin->name = g_strdup (json_read_string (object, "name", NAME_MAX_BYTES, error));
  if (!pin->name || !(disks = json_read_array (object, "disks", DESKTOP_DISKS_MAX, error)))
    return NULL;
  for (guint i = 0; i < json_array_get_length (disks); i++)
    {
      JsonNode *element = json_array_get_element (disks, i);
      JsonObject *disk = JSON_NODE_HOLDS_OBJECT (element) ? json_node_get_object (element) : NULL;
      const char *image = disk ? json_read_string (disk, "image", NAME_MAX_BYTES, error) : NULL;
      guint64 version;
      if (!disk)
        fail (error, "a disk is not an object");
      if (!image || !json_read_uint (disk, "version", 1, VERSION_MAX, &version, error))
        return NULL;
      g_ptr_array_add (pin->images, g_strdup_printf ("%s@%u", image, (guint)version));
    }
  return g_steal_pointer (&pin);
}

void
pin_free (Pin *pin)
{
  if (!pin)
    return;
  g_free (pin->name);
  g_ptr_array_unref (pin->images);
  g_free (pin);
}

/* Add what the pin at PATH holds to PINS.  */
static gboolean
load_pin (GHashTable *pins, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  gsize size;
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (Pin) pin = NULL;

  if (!g_file_get_contents (path, &text, &size, error)
      || !(root = json_read_object (text, size, PIN_FORMAT, error))
      || !(pin = pin_read (root, error)))
    return FALSE;
  for (guint i = 0; i < pin->images->len; i++)
    g_hash_table_add (pins, g_strdup (pin->images->pdata[i]));
  return TRUE;
}

GHashTable *
pins_load (const Config *config, GError **error)
{
  g_autoptr (GHashTable) pins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *directory_path = config_run_path (config, "desktops", NULL);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) directory = g_dir_open (directory_path, 0, &local_error);
  const char *name;

  if (!directory && !g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  g_clear_error (&local_error);
  while (directory && (name = g_dir_read_name (directory)))
    {
      g_autofree char *path = g_build_filename (directory_path, name, NULL);
      if (name[0] == '.' || !g_str_has_suffix (name, PIN_SUFFIX))
        continue;
      if (!load_pin (pins, path, &local_error)
          && !g_error_matches (local_error, G_FILE_ERROR,
                               G_FILE_ERROR_NOENT)) // that desktop just ended
        {
          g_propagate_prefixed_error (error, g_steal_pointer (&local_error), "pin %s: ", path);
          return NULL;
        }
      g_clear_error (&local_error);
    }
  return g_steal_pointer (&pins);
}
