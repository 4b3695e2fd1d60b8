// SPDX-License-Identifier: GPL-2.0-or-later
// Which images this host keeps whole, so that others may get them from it.

#include "origin.h"

#include <string.h>

#include "fail.h"
#include "file-write.h"
#include "image-name.h"
#include "json-read.h"

#define FORMAT "gild-replica-1"

struct Origin
{
  gboolean is_publisher;
  GPtrArray *replicas; // of char *
};

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static gboolean
read_replicas (Origin *origin, const char *text, gsize size, GError **error)
{
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonArray *images =
      root ? json_read_array (json_node_get_object (root), "images", REPLICA_IMAGES_MAX, error)
           : NULL;

  for (guint i = 0; images && i < json_array_get_length (images); i++)
    {
      JsonNode *node = json_array_get_element (images, i);
      if (json_node_get_value_type (node) != G_TYPE_STRING)
        return fail (error, "\"images\" has something that is no name");
      if (!image_name_check (json_node_get_string (node), error))
        return FALSE;
      g_ptr_array_add (origin->replicas, json_node_dup_string (node));
    }
  g_ptr_array_sort (origin->replicas, compare_names);
  return images != NULL;
}

Origin *
origin_load (const Config *config, GError **error)
{
  g_autoptr (Origin) origin = g_new0 (Origin, 1);
  g_autofree char *key_path = config_state_path (config, "site", "site.sec", NULL);
  g_autofree char *path = config_state_path (config, "replica.json", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) local_error = NULL;
  gsize size;

  origin->is_publisher = g_file_test (key_path, G_FILE_TEST_EXISTS);
  origin->replicas = g_ptr_array_new_with_free_func (g_free);
  if (g_file_get_contents (path, &text, &size, &local_error))
    {
      if (!read_replicas (origin, text, size, error))
        {
          g_prefix_error (error, "%s: ", path);
          return NULL;
        }
    }
  else if (!g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  return g_steal_pointer (&origin);
}

void
origin_free (Origin *origin)
{
  if (!origin)
    return;
  g_ptr_array_unref (origin->replicas);
  g_free (origin);
}

gboolean
origin_keeps_any (const Origin *origin)
{
  return origin->is_publisher || origin->replicas->len > 0;
}

gboolean
origin_keeps (const Origin *origin, const char *image)
{
  return origin->is_publisher
         || g_ptr_array_find_with_equal_func (origin->replicas, image, g_str_equal, NULL);
}

gboolean
origin_is_publisher (const Origin *origin)
{
  return origin->is_publisher;
}

const GPtrArray *
origin_replicas (const Origin *origin)
{
  return origin->replicas;
}

gboolean
origin_set_replicas (const Config *config, const GPtrArray *images, GError **error)
{
  g_autofree char *path = config_state_path (config, "replica.json", NULL);
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *array = json_array_new ();

  json_node_take_object (root, object);
  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_array_member (object, "images", array);
  for (guint i = 0; i < images->len; i++)
    {
      if (!image_name_check (images->pdata[i], error))
        return FALSE;
      json_array_add_string_element (array, images->pdata[i]);
    }
  if (images->len > REPLICA_IMAGES_MAX)
    return fail (error, "a replica keeps up to %d images", REPLICA_IMAGES_MAX);
  g_autofree char *text = json_write (root);
  return file_write_durably (path, text, strlen (text), 0644, error);
}
