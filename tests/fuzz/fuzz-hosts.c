// SPDX-License-Identifier: GPL-2.0-or-later
// What hosts say of themselves in heartbeats, and what origins say of them in answers.
#include "fuzz.h"

#include <gio/gio.h>

#include "network/host-certificate.h"
#include "network/host-list.h"
#include "qcow-backing/json-read.h"

/* Whatever was believed can be told on, and is then believed as it was.  */
static void
check_host (const Host *host)
{
  gint64 now_us = g_get_monotonic_time ();
  JsonObject *object = host_to_json (host, now_us);
  g_autoptr (Host) same = host_from_json (object, NULL, now_us, NULL);
  g_autofree char *address = host_address_normalise (host->address);

  g_assert_true (host_name_check (host->name, NULL));
  g_assert_cmpstr (address, ==, host->address);
  g_assert_cmpuint (host->port, <=, G_MAXUINT16);
  g_assert_cmpuint (host->versions->len, <=, HOST_VERSIONS_MAX);
  g_assert_nonnull (same);
  g_assert_true (host_reached_alike (host, same) && host_holds_alike (host, same));
  json_object_unref (object);
}

static gboolean
read_heartbeat (JsonObject *object)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Host) host =
      host_from_heartbeat ("pc1", "192.0.2.1", object, g_get_monotonic_time (), &error);

  if (!fuzz_check_result (host, error))
    return FALSE;
  check_host (host);
  return TRUE;
}

static gboolean
read_answer (JsonObject *object)
{
  g_autoptr (HostList) list = host_list_new ("/nonexistent/hosts.json", "pc1");
  g_autoptr (Host) origin = host_new ("srv", "192.0.2.100", 10890);
  g_autoptr (GError) error = NULL;
  gboolean ok = host_list_merge (list, origin, object, &error);
  g_autoptr (GPtrArray) hosts = host_list_get (list);

  fuzz_check_result (ok ? list : NULL, error);
  for (guint i = 0; i < hosts->len; i++)
    check_host (hosts->pdata[i]);
  g_assert_true (ok || hosts->len == 0);
  return ok;
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_read_object ((const char *)data, size, NULL, &error);

  if (!fuzz_check_result (node, error))
    return FALSE;
  JsonObject *object = json_node_get_object (node);
  return json_object_has_member (object, "hosts") ? read_answer (object) : read_heartbeat (object);
}
