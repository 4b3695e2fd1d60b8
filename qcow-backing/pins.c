// SPDX-License-Identifier: GPL-2.0-or-later
// The pins: RUN/desktops/NAME.json, what each running desktop booted, which gc must leave.

#include "pins.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "desktop-limits.h"
#include "fail.h"
#include "file-lock.h"
#include "image-name.h"
#include "json-read.h"
#include "file-write.h"
#include "kept-overlays.h"
#include "utc-date.h"

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

char *
pin_path (const Config *config, const char *name)
{
  g_autofree char *file = g_strconcat (name, PIN_SUFFIX, NULL);

  return config_run_path (config, "desktops", file, NULL);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
pins_names (const Config *config, GError **error)
{
  g_autofree char *path = config_run_path (config, "desktops", NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) directory = g_dir_open (path, 0, &local_error);
  const char *file;

  if (!directory && !g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  while (directory && (file = g_dir_read_name (directory)))
    if (file[0] != '.' && g_str_has_suffix (file, PIN_SUFFIX))
      g_ptr_array_add (names, g_strndup (file, strlen (file) - strlen (PIN_SUFFIX)));
  g_ptr_array_sort (names, compare_names);
  return g_steal_pointer (&names);
}

JsonNode *
pin_load (const Config *config, const char *name, GError **error)
{
  g_autofree char *path = pin_path (config, name);
  g_autofree char *text = NULL;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, error))
    return NULL;
  JsonNode *pin = json_read_object (text, size, PIN_FORMAT, error);
  if (!pin)
    g_prefix_error (error, "pin %s: ", path);
  return pin;
}

gboolean
pin_write (const Config *config, const char *name, JsonObject *pin, GError **error)
{
  g_autofree char *path = pin_path (config, name);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_object_set_string_member (pin, "format", PIN_FORMAT);
  json_node_set_object (node, pin);
  g_autofree char *text = json_write (node);
  return file_write_durably (path, text, strlen (text), 0644, error);
}

static gboolean
read_disk (Pin *pin, JsonNode *element, GError **error)
{
  JsonObject *disk = JSON_NODE_HOLDS_OBJECT (element) ? json_node_get_object (element) : NULL;
  const char *target, *image;
  guint64 version;

  if (!disk)
    return fail (error, "a disk is not an object");
  if (!(target = json_read_string (disk, "target", NAME_MAX_BYTES, error))
      || !disk_target_check (target, error)
      || !(image = json_read_string (disk, "image", NAME_MAX_BYTES, error))
      || !json_read_uint (disk, "version", 1, VERSION_MAX, &version, error))
    return FALSE;
  g_ptr_array_add (pin->targets, g_strdup (target));
  g_ptr_array_add (pin->images, g_strdup_printf ("%s@%u", image, (guint)version));
  return TRUE;
}

gboolean
pin_directory_check (const char *text, GError **error)
{
  gboolean good = g_path_is_absolute (text) && strlen (text) <= PIN_DIRECTORY_MAX
                  && g_utf8_validate (text, -1, NULL);

  for (const char *c = text; good && *c; c++)
    good = !g_ascii_iscntrl (*c);
  return good
         || fail (error, "'%.200s' is no place for an image: it takes an absolute path of UTF-8",
                  text);
}

static gboolean
read_since (Pin *pin, JsonObject *object, GError **error)
{
  const char *since = json_object_has_member (object, "since")
                          ? json_read_string (object, "since", UTC_DATE_SIZE_MAX, error)
                          : "";

  pin->since = g_strdup (since);
  return since != NULL;
}

static gboolean
read_directory (Pin *pin, JsonObject *object, GError **error)
{
  if (!json_object_has_member (object, "directory"))
    return TRUE;
  pin->directory = g_strdup (json_read_string (object, "directory", PIN_DIRECTORY_MAX, error));
  return pin->directory && pin_directory_check (pin->directory, error);
}

Pin *
pin_read (JsonNode *node, GError **error)
{
  g_autoptr (Pin) pin = g_new0 (Pin, 1);
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonArray *disks;

  pin->targets = g_ptr_array_new_with_free_func (g_free);
  pin->images = g_ptr_array_new_with_free_func (g_free);
  if (!object)
    {
      fail (error, "it is not an object");
      return NULL;
    }
  pin->name = g_strdup (json_read_string (object, "name", NAME_MAX_BYTES, error));
  pin->keep = json_object_has_member (object, "keep");
  pin->uuid =
      pin->name ? g_strdup (json_read_string (object, "uuid", NAME_MAX_BYTES, error)) : NULL;
  if (!pin->uuid || !read_directory (pin, object, error) || !read_since (pin, object, error)
      || (pin->keep && !json_read_boolean (object, "keep", &pin->keep, error))
      || !json_read_uint (object, "overlay", 0, DESKTOP_SIZE_MAX, &pin->overlay_bytes, error)
      || !json_read_uint (object, "spill", 0, DESKTOP_SIZE_MAX, &pin->spill_bytes, error)
      || !(disks = json_read_array (object, "disks", DESKTOP_DISKS_MAX, error)))
    return NULL;
  for (guint i = 0; i < json_array_get_length (disks); i++)
    if (!read_disk (pin, json_array_get_element (disks, i), error))
      return NULL;
  return g_steal_pointer (&pin);
}

void
pin_free (Pin *pin)
{
  if (!pin)
    return;
  g_free (pin->name);
  g_free (pin->uuid);
  g_free (pin->directory);
  g_free (pin->since);
  g_ptr_array_unref (pin->targets);
  g_ptr_array_unref (pin->images);
  g_free (pin);
}

static void
add_images (GHashTable *pins, const Pin *pin)
{
  for (guint i = 0; i < pin->images->len; i++)
    g_hash_table_add (pins, g_strdup (pin->images->pdata[i]));
}

/* Add what the pin of NAME holds to PINS.  */
static gboolean
add_running (GHashTable *pins, const Config *config, const char *name, GError **error)
{
  g_autoptr (JsonNode) node = pin_load (config, name, error);
  g_autoptr (Pin) pin = NULL;

  if (!node)
    return FALSE;
  if (!(pin = pin_read (node, error)))
    {
      g_prefix_error (error, "pin of %s: ", name);
      return FALSE;
    }
  add_images (pins, pin);
  return TRUE;
}

/* Add what the overlays need that are kept.  */
static gboolean
add_kept (GHashTable *pins, const Config *config, GError **error)
{
  g_autoptr (GPtrArray) names = kept_names (config, error);

  for (guint i = 0; names && i < names->len; i++)
    {
      g_autoptr (GError) local_error = NULL;
      g_autoptr (KeptOverlays) kept = kept_load (config, names->pdata[i], &local_error);
      if (kept && !kept->failure)
        add_images (pins, kept->pin);
      else if (!kept && !g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
    }
  return names != NULL;
}

GHashTable *
pins_load (const Config *config, GError **error)
{
  g_autoptr (GHashTable) pins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) names = pins_names (config, error);

  for (guint i = 0; names && i < names->len; i++)
    {
      g_autoptr (GError) local_error = NULL;
      if (!add_running (pins, config, names->pdata[i], &local_error)
          && !g_error_matches (local_error, G_FILE_ERROR,
                               G_FILE_ERROR_NOENT)) // that desktop just ended
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
    }
  return names && add_kept (pins, config, error) ? g_steal_pointer (&pins) : NULL;
}
