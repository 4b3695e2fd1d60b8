// SPDX-License-Identifier: GPL-2.0-or-later
// Which images the desktops of this host use: what runs now, and what ran of late.

#include "used-images.h"

#include <string.h>

#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/pins.h"
#include "qcow-backing/utc-date.h"

#define FORMAT    "gild-used-1"
#define NAME_SIZE 200
#define USED_MAX  1000

static void
used_image_free (gpointer data)
{
  UsedImage *used = data;

  g_free (used->image);
  g_free (used->channel);
  g_free (used->seen);
  g_free (used);
}

/* Note that CHANNEL of IMAGE was used at SEEN.  Whether the file should say so: an image that it
   has not, or that was seen another day.  */
static gboolean
add (GPtrArray *images, const char *image, const char *channel, const char *seen)
{
  gsize day = strlen ("2026-11-21");

  for (guint i = 0; i < images->len; i++)
    {
      UsedImage *used = images->pdata[i];
      if (!g_str_equal (used->image, image) || !g_str_equal (used->channel, channel))
        continue;
      gboolean is_another_day = strncmp (used->seen, seen, day) != 0;
      g_free (used->seen);
      used->seen = g_strdup (seen);
      return is_another_day;
    }
  if (images->len >= USED_MAX)
    return FALSE;
  UsedImage *used = g_new (UsedImage, 1);
  *used = (UsedImage){ g_strdup (image), g_strdup (channel), g_strdup (seen) };
  g_ptr_array_add (images, used);
  return TRUE;
}

static gboolean
read_entry (GPtrArray *images, JsonNode *node, const char *oldest, GError **error)
{
  JsonObject *entry = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;

  if (!entry)
    return fail (error, "\"images\" has something else than objects");
  const char *image = json_read_string (entry, "image", NAME_SIZE, error);
  const char *channel = image ? json_read_string (entry, "channel", NAME_SIZE, error) : NULL;
  const char *seen = channel ? json_read_string (entry, "seen", UTC_DATE_SIZE_MAX, error) : NULL;
  if (!seen || !image_name_check (image, error) || !channel_name_check (channel, error))
    return FALSE;
  if (strcmp (seen, oldest) >= 0)
    add (images, image, channel, seen);
  return TRUE;
}

/* The images that the file at PATH has; none where there is no file.  */
static GPtrArray *
load (const char *path, GError **error)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func (used_image_free);
  g_autofree char *text = NULL, *oldest = utc_date (-USED_DAYS);
  g_autoptr (GError) local_error = NULL;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, &local_error))
    {
      if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_steal_pointer (&images);
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonArray *array =
      root ? json_read_array (json_node_get_object (root), "images", USED_MAX, error) : NULL;
  for (guint i = 0; array && i < json_array_get_length (array); i++)
    if (!read_entry (images, json_array_get_element (array, i), oldest, error))
      return NULL;
  return array ? g_steal_pointer (&images) : NULL;
}

static gboolean
save (const char *path, GPtrArray *images, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < images->len; i++)
    {
      const UsedImage *used = images->pdata[i];
      JsonObject *entry = json_object_new ();
      json_object_set_string_member (entry, "image", used->image);
      json_object_set_string_member (entry, "channel", used->channel);
      json_object_set_string_member (entry, "seen", used->seen);
      json_array_add_object_element (array, entry);
    }
  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_array_member (object, "images", array);
  json_node_take_object (node, object);
  g_autofree char *text = json_write (node);
  return file_write_durably (path, text, strlen (text), 0640, error);
}

/* Add what the desktop of PIN runs; a disk that is pinned to a version is kept by hand.  Whether
   the file should say so.  */
static gboolean
add_pin (GPtrArray *images, JsonObject *pin, const char *now)
{
  JsonArray *disks = json_read_array (pin, "disks", DESKTOP_DISKS_MAX, NULL);
  gboolean is_new = FALSE;

  for (guint i = 0; disks && i < json_array_get_length (disks); i++)
    {
      JsonNode *node = json_array_get_element (disks, i);
      JsonObject *disk = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      const char *image = disk ? json_read_string (disk, "image", NAME_SIZE, NULL) : NULL;
      const char *channel = disk ? json_read_string (disk, "channel", NAME_SIZE, NULL) : NULL;
      if (image && channel && image_name_check (image, NULL) && channel_name_check (channel, NULL))
        is_new = add (images, image, channel, now) || is_new;
    }
  return is_new;
}

GPtrArray *
used_images_look (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "images", "used.json", NULL);
  g_autofree char *now = utc_date (0);
  g_autoptr (GError) damage = NULL;
  g_autoptr (GPtrArray) images = load (path, &damage);
  g_autoptr (GPtrArray) names = pins_names (config, error);
  gboolean is_new = FALSE;

  if (!images)
    {
      g_message ("%s is begun anew: %s", path, damage->message);
      images = g_ptr_array_new_with_free_func (used_image_free);
      is_new = TRUE;
    }
  for (guint i = 0; names && i < names->len; i++)
    {
      g_autoptr (JsonNode) pin = pin_load (config, names->pdata[i], NULL);
      is_new = (pin && add_pin (images, json_node_get_object (pin), now)) || is_new;
    }
  if (!names || (is_new && !save (path, images, error)))
    return NULL;
  return g_steal_pointer (&images);
}
