// SPDX-License-Identifier: GPL-2.0-or-later
// Which of the other hosts have what a night has promoted.

#include "nightly-hosts.h"

#include "daemon/control-client.h"
#include "network/host.h"

#define TIMEOUT_SECONDS 5
#define POLL_US         (2 * G_USEC_PER_SEC)

static gboolean
has_whole (const Host *host, const char *image, guint version)
{
  g_autofree char *ref = g_strdup_printf ("%s@%u", image, version);

  for (guint i = 0; i < host->versions->len; i++)
    {
      const HostVersion *held = host->versions->pdata[i];
      if (g_str_equal (held->ref, ref))
        return held->missing_bytes == 0;
    }
  return FALSE;
}

/* Count HOSTS for IMAGE.  This host, which has no address in the list, made the version.  */
static void
count (GPtrArray *hosts, NightlyImage *image)
{
  gint64 now_us = g_get_monotonic_time ();

  image->hosts = image->hosts_ready = 0;
  for (guint i = 0; i < hosts->len; i++)
    {
      const Host *host = hosts->pdata[i];
      if (!*host->address || !host_is_live (host, now_us))
        continue;
      gboolean is_ready = has_whole (host, image->image, image->version);
      image->hosts += is_ready || has_whole (host, image->image, image->production);
      image->hosts_ready += is_ready;
    }
}

/* Ask gildd once; whether there is nothing to wait for any more.  */
static gboolean
look (const Verb *verb, NightlyReport *report)
{
  g_autofree char *socket = config_run_path (verb->config, "gildd.sock", NULL);
  g_autoptr (JsonNode) answer = control_call (socket, "GET", "/hosts", NULL, TIMEOUT_SECONDS, NULL);
  g_autoptr (GPtrArray) hosts =
      answer ? hosts_read (json_node_get_object (answer), NULL, NULL) : NULL;
  gboolean done = TRUE;

  for (guint i = 0; hosts && i < report->images->len; i++)
    {
      NightlyImage *image = report->images->pdata[i];
      if (image->outcome != NIGHTLY_PROMOTED)
        continue;
      count (hosts, image);
      done = done && image->hosts_ready == image->hosts;
    }
  return done;
}

void
nightly_hosts_wait (const Verb *verb, NightlyReport *report)
{
  gint64 end_us =
      g_get_monotonic_time () + (gint64)verb->config->nightly_hosts_wait_seconds * G_USEC_PER_SEC;

  while (!look (verb, report) && g_get_monotonic_time () < end_us)
    g_usleep (POLL_US);
}
