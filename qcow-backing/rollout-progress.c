// SPDX-License-Identifier: GPL-2.0-or-later
// How far a staged rollout is, as gildd has last written it on the publisher.

#include "rollout-progress.h"

#include <string.h>

#include "fail.h"
#include "file-read.h"
#include "file-write.h"
#include "host-name.h"
#include "json-read.h"

#define FORMAT        "gild-rollout-progress-1"
#define FILE_NAME     "progress.json"
#define SIZE_MAX_FILE (16u << 20)
#define SECONDS_MAX   (10u * 366 * 24 * 3600)
#define HOSTS_MAX     4096
#define RESULT_MAX    20
#define WHY_MAX       2000

RolloutProgress *
rollout_progress_new (guint64 serial)
{
  RolloutProgress *progress = g_new0 (RolloutProgress, 1);

  progress->serial = serial;
  progress->hosts =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  rollout_progress_set (progress, ROLLOUT_GOING, "it has just begun");
  return progress;
}

void
rollout_progress_free (RolloutProgress *progress)
{
  if (!progress)
    return;
  g_free (progress->result);
  g_free (progress->why);
  g_hash_table_unref (progress->hosts);
  g_free (progress);
}

void
rollout_progress_set (RolloutProgress *progress, const char *result, const char *why)
{
  char *result_copy = g_strdup (result), *why_copy = g_strdup (why);

  g_free (progress->result);
  g_free (progress->why);
  progress->result = result_copy;
  progress->why = why_copy;
}

char *
rollout_progress_to_json (const RolloutProgress *progress)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GList) names =
      g_list_sort (g_hash_table_get_keys (progress->hosts), (GCompareFunc)g_strcmp0);
  JsonObject *object = json_object_new ();
  JsonArray *hosts = json_array_new ();

  for (GList *l = names; l; l = l->next)
    {
      JsonObject *host = json_object_new ();
      json_object_set_string_member (host, "name", l->data);
      json_object_set_array_member (
          host, "boots", boot_counts_to_json (g_hash_table_lookup (progress->hosts, l->data)));
      json_array_add_object_element (hosts, host);
    }
  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_int_member (object, "serial", (gint64)progress->serial);
  json_object_set_int_member (object, "stage", progress->stage);
  json_object_set_int_member (object, "seconds", progress->seconds);
  json_object_set_string_member (object, "result", progress->result);
  json_object_set_string_member (object, "why", progress->why);
  json_object_set_array_member (object, "hosts", hosts);
  json_node_take_object (root, object);
  return json_write (root);
}

static gboolean
read_host (RolloutProgress *progress, JsonNode *node, GError **error)
{
  JsonObject *host = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;

  if (!host)
    return fail (error, "\"hosts\" has something else than objects");
  const char *name = json_read_string (host, "name", HOST_NAME_SIZE_MAX, error);
  JsonArray *array = name ? json_read_array (host, "boots", BOOT_COUNTS_MAX, error) : NULL;
  GPtrArray *boots =
      array && host_name_check (name, error) ? boot_counts_from_json (array, error) : NULL;
  if (boots)
    g_hash_table_replace (progress->hosts, g_strdup (name), boots);
  return boots != NULL;
}

RolloutProgress *
rollout_progress_from_json (const char *text, gsize size, GError **error)
{
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonObject *object = root ? json_node_get_object (root) : NULL;
  guint64 serial, stage, seconds;

  if (!object || !json_read_uint (object, "serial", 1, G_MAXINT64, &serial, error)
      || !json_read_uint (object, "stage", 0, ROLLOUT_STAGES_MAX, &stage, error)
      || !json_read_uint (object, "seconds", 0, SECONDS_MAX, &seconds, error))
    return NULL;
  const char *result = json_read_string (object, "result", RESULT_MAX, error);
  const char *why = result ? json_read_string (object, "why", WHY_MAX, error) : NULL;
  JsonArray *hosts = why ? json_read_array (object, "hosts", HOSTS_MAX, error) : NULL;
  if (!hosts)
    return NULL;
  g_autoptr (RolloutProgress) progress = rollout_progress_new (serial);
  progress->stage = (guint)stage;
  progress->seconds = (guint)seconds;
  rollout_progress_set (progress, result, why);
  for (guint i = 0; i < json_array_get_length (hosts); i++)
    if (!read_host (progress, json_array_get_element (hosts, i), error))
      return NULL;
  return g_steal_pointer (&progress);
}

RolloutProgress *
rollout_progress_load (const ImageLibrary *library, const RolloutPlan *plan)
{
  g_autofree char *path = rollout_plan_path (library, plan->image, FILE_NAME);
  gsize size;
  g_autofree char *text = file_read (path, SIZE_MAX_FILE, &size, NULL);
  g_autoptr (RolloutProgress) progress =
      text ? rollout_progress_from_json (text, size, NULL) : NULL;

  return progress && progress->serial == plan->serial ? g_steal_pointer (&progress)
                                                      : rollout_progress_new (plan->serial);
}

gboolean
rollout_progress_save (const ImageLibrary *library, const RolloutPlan *plan,
                       const RolloutProgress *progress, GError **error)
{
  g_autofree char *path = rollout_plan_path (library, plan->image, FILE_NAME);
  g_autofree char *json = rollout_progress_to_json (progress);

  return file_write_durably (path, json, strlen (json), 0640, error);
}
