// SPDX-License-Identifier: GPL-2.0-or-later
// What this host says of itself.

#include "own-host.h"

#include "qcow-backing/origin.h"
#include "qcow-backing/pins.h"

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
      g_ptr_array_set_size (desktops, (gint)MIN (desktops->len, HOST_DESKTOPS_MAX));
      g_ptr_array_add (desktops, NULL);
      g_strfreev (host->desktops);
      host->desktops = (char **)g_ptr_array_free (g_steal_pointer (&desktops), FALSE);
    }
  return host;
}
