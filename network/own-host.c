// SPDX-License-Identifier: GPL-2.0-or-later
// What this host says of itself.

#include "own-host.h"

#include <string.h>

#include "qcow-backing/origin.h"
#include "qcow-backing/pins.h"

static int
compare_refs (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* What the desktops NAMES booted, each once, sorted; a pin that cannot be read tells nothing.  */
static char **
list_running (const Config *config, GPtrArray *names)
{
  g_autoptr (GHashTable) set = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *refs = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer ref;

  for (guint i = 0; i < names->len; i++)
    {
      g_autoptr (JsonNode) node = pin_load (config, names->pdata[i], NULL);
      g_autoptr (Pin) pin = node ? pin_read (node, NULL) : NULL;
      for (guint j = 0; pin && j < pin->images->len; j++)
        g_hash_table_add (set, g_strdup (pin->images->pdata[j]));
    }
  g_hash_table_iter_init (&iter, set);
  while (refs->len < HOST_VERSIONS_MAX && g_hash_table_iter_next (&iter, &ref, NULL))
    g_ptr_array_add (refs, g_strdup (ref));
  g_ptr_array_sort (refs, compare_refs);
  g_ptr_array_add (refs, NULL);
  return (char **)g_ptr_array_free (refs, FALSE);
}

Host *
own_host_new (const Config *config, const char *name, Completeness *completeness)
{
  Host *host = host_new (name, NULL, config->port);
  g_autoptr (Origin) origin = origin_load (config, NULL);
  g_autoptr (GPtrArray) desktops = pins_names (config, NULL);

  host->seen_us = g_get_monotonic_time ();
  host->is_publisher = origin && origin_is_publisher (origin);
  host->is_origin = origin && origin_keeps_any (origin);
  g_ptr_array_unref (host->versions);
  host->versions = completeness_versions (completeness);
  if (desktops)
    {
      g_strfreev (host->running);
      host->running = list_running (config, desktops);
      g_ptr_array_set_size (desktops, (gint)MIN (desktops->len, HOST_DESKTOPS_MAX));
      g_ptr_array_add (desktops, NULL);
      g_strfreev (host->desktops);
      host->desktops = (char **)g_ptr_array_free (g_steal_pointer (&desktops), FALSE);
    }
  return host;
}
