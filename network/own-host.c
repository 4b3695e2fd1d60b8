// SPDX-License-Identifier: GPL-2.0-or-later
// What this host says of itself, and which images it is to keep whole for others.

#include "own-host.h"

#include <string.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/pins.h"

#define REPLICA_FORMAT "gild-replica-1"

static char *
replica_path (const Config *config)
{
  return config_state_path (config, "replica.json", NULL);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *
read_images (const char *text, gsize size, GError **error)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (JsonNode) root = json_read_object (text, size, REPLICA_FORMAT, error);
  JsonArray *array =
      root ? json_read_array (json_node_get_object (root), "images", REPLICA_IMAGES_MAX, error)
           : NULL;

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      const char *image =
          json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : "";
      if (!image_name_check (image, error))
        return NULL;
      g_ptr_array_add (images, g_strdup (image));
    }
  return array ? g_steal_pointer (&images) : NULL;
}

GPtrArray *
replica_load (const Config *config, GError **error)
{
  g_autofree char *path = replica_path (config);
  g_autofree char *text = NULL;
  gsize size;
  g_autoptr (GError) local_error = NULL;

  if (!g_file_get_contents (path, &text, &size, &local_error))
    {
      if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_ptr_array_new_with_free_func (g_free);
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  GPtrArray *images = read_images (text, size, error);
  if (images)
    g_ptr_array_sort (images, compare_names);
  else
    g_prefix_error (error, "%s: ", path);
  return images;
}

gboolean
replica_save (const Config *config, GPtrArray *images, GError **error)
{
  g_autofree char *path = replica_path (config);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < images->len; i++)
    json_array_add_string_element (array, images->pdata[i]);
  json_object_set_string_member (object, "format", REPLICA_FORMAT);
  json_object_set_array_member (object, "images", array);
  json_node_take_object (node, object);
  g_autofree char *text = json_write (node);
  return file_write_durably (path, text, strlen (text), 0644, error);
}

gboolean
own_host_is_publisher (const Config *config)
{
  g_autofree char *path = config_state_path (config, "site", "site.sec", NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

Host *
own_host_new (const Config *config, const char *name, Completeness *completeness)
{
  Host *host = host_new (name, NULL, config->port);
  g_autoptr (GPtrArray) replicas = replica_load (config, NULL);
  g_autoptr (GPtrArray) desktops = pins_names (config, NULL);

  host->seen_us = g_get_monotonic_time ();
  host->is_publisher = own_host_is_publisher (config);
  host->is_origin = host->is_publisher || (replicas && replicas->len > 0);
  if (completeness)
    {
      g_ptr_array_unref (host->versions);
      host->versions = completeness_versions (completeness);
    }
  if (desktops)
    {
      g_ptr_array_set_size (desktops, (gint)MIN (desktops->len, HOST_DESKTOPS_MAX));
      g_ptr_array_add (desktops, NULL);
      g_strfreev (host->desktops);
      host->desktops = (char **)g_ptr_array_free (g_steal_pointer (&desktops), FALSE);
    }
  return host;
}
