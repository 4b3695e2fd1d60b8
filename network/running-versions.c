// SPDX-License-Identifier: GPL-2.0-or-later
// What other hosts run: the versions that an origin must not collect.

#include "running-versions.h"

#include "host-list.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/json-read.h"

GHashTable *
running_versions_in (JsonObject *list, guint days, GError **error)
{
  g_autoptr (GHashTable) versions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  JsonArray *hosts = json_read_array (list, "hosts", HOSTS_MAX + 1, error);
  gint64 oldest_us = -(gint64)days * G_TIME_SPAN_DAY;

  for (guint i = 0; hosts && i < json_array_get_length (hosts); i++)
    {
      JsonNode *node = json_array_get_element (hosts, i);
      JsonObject *entry = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      if (!entry)
        {
          fail (error, "\"hosts\" has something else than objects");
          return NULL;
        }
      g_autoptr (Host) host = host_from_json (entry, "", 0, error);
      if (!host)
        return NULL;
      for (gsize j = 0; host->seen_us >= oldest_us && host->running[j]; j++)
        g_hash_table_add (versions, g_strdup (host->running[j]));
    }
  return hosts ? g_steal_pointer (&versions) : NULL;
}

GHashTable *
running_versions_load (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "site", "hosts.json", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) cause = NULL;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, &cause)
      && g_error_matches (cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (JsonNode) root = text ? json_read_object (text, size, HOST_LIST_FORMAT, &cause) : NULL;
  GHashTable *versions =
      root ? running_versions_in (json_node_get_object (root), config->hosts_days, &cause) : NULL;
  if (!versions)
    fail (
        error,
        "%s cannot be read, so what other hosts run is not known and nothing was removed; a running gildd writes it anew: %s",
        path, cause->message);
  return versions;
}
