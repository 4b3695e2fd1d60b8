// SPDX-License-Identifier: GPL-2.0-or-later
// gild hosts: list the hosts of the site, or shut one out.

#include "gild.h"

#include <stdio.h>

#include "daemon/control-client.h"
#include "network/host-certificate.h"
#include "network/host-list.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/size.h"

#define TIMEOUT_SECONDS        5
#define REMOVE_TIMEOUT_SECONDS 60 // it is told to every host that can be reached

static char *
format_seen (const Host *host, gint64 now_us)
{
  gint64 minutes = (now_us - host->seen_us) / G_USEC_PER_SEC / 60;

  if (host->seen_us == HOST_NEVER_SEEN)
    return g_strdup ("never");
  if (host_is_live (host, now_us))
    return g_strdup ("now");
  if (minutes < 2 * 60)
    return g_strdup_printf ("%" G_GINT64_FORMAT " min ago", MAX (minutes, 1));
  if (minutes < 2 * 24 * 60)
    return g_strdup_printf ("%" G_GINT64_FORMAT " h ago", minutes / 60);
  return g_strdup_printf ("%" G_GINT64_FORMAT " days ago", minutes / 60 / 24);
}

static char *
format_missing (guint64 missing_bytes)
{
  g_autofree char *size = size_format (missing_bytes);

  return missing_bytes ? g_strdup_printf ("%s missing", size) : g_strdup ("offline-ready");
}

/* How complete HOST's versions are, in a few words.  */
static char *
format_versions (const Host *host)
{
  guint complete = 0;

  if (host->versions->len == 0)
    return g_strdup ("-");
  for (guint i = 0; i < host->versions->len; i++)
    complete += ((HostVersion *)host->versions->pdata[i])->missing_bytes == 0;
  return g_strdup_printf ("%u of %u", complete, host->versions->len);
}

static void
add_row (Table *table, const Host *host, gint64 now_us)
{
  const char *role = host->is_publisher ? "publisher" : host->is_origin ? "replica" : "-";
  g_autofree char *seen = format_seen (host, now_us);
  g_autofree char *versions = format_versions (host);
  g_autofree char *desktops = g_strjoinv (", ", host->desktops);

  table_add (table, host->name, *host->address ? host->address : "this host", role, seen, versions,
             *desktops ? desktops : "-", NULL);
}

static void
print_hosts (GPtrArray *hosts)
{
  g_autoptr (Table) table =
      table_new ("NAME", "ADDRESS", "ROLE", "SEEN", "OFFLINE-READY", "DESKTOPS", NULL);
  gint64 now_us = g_get_monotonic_time ();

  for (guint i = 0; i < hosts->len; i++)
    add_row (table, hosts->pdata[i], now_us);
  table_print (table);
}

static void
print_versions (const Host *host)
{
  g_autoptr (Table) table = table_new ("VERSION", "HERE", NULL);

  for (guint i = 0; i < host->versions->len; i++)
    {
      const HostVersion *version = host->versions->pdata[i];
      g_autofree char *missing = format_missing (version->missing_bytes);
      table_add (table, version->ref, missing, NULL);
    }
  table_print (table);
}

GPtrArray *
hosts_read (JsonObject *object, const char *name, GError **error)
{
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func ((GDestroyNotify)host_unref);
  JsonArray *array = json_read_array (object, "hosts", HOSTS_MAX + 1, error);
  gint64 now_us = g_get_monotonic_time ();

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      g_autoptr (Host) host = JSON_NODE_HOLDS_OBJECT (node)
                                  ? host_from_json (json_node_get_object (node), "", now_us, error)
                                  : NULL;
      if (!host)
        return NULL;
      if (!name || g_str_equal (host->name, name))
        g_ptr_array_add (hosts, g_steal_pointer (&host));
    }
  if (array && name && hosts->len == 0)
    {
      fail (error, "there is no host %s: `gild hosts` lists them", name);
      return NULL;
    }
  return array ? g_steal_pointer (&hosts) : NULL;
}

static void
print_json (JsonObject *answer, const char *name)
{
  g_autoptr (JsonObject) object = json_object_new ();
  JsonArray *all = json_object_get_array_member (answer, "hosts"), *chosen = json_array_new ();

  for (guint i = 0; i < json_array_get_length (all); i++)
    {
      JsonObject *host = json_array_get_object_element (all, i);
      if (!name || g_str_equal (json_object_get_string_member (host, "name"), name))
        json_array_add_object_element (chosen, json_object_ref (host));
    }
  json_object_set_array_member (object, "hosts", chosen);
  json_object_set_member (object, "trouble",
                          json_node_copy (json_object_get_member (answer, "trouble")));
  json_print_object (object);
}

static ExitStatus
list (const Verb *verb, const char *name)
{
  g_autofree char *socket = config_run_path (verb->config, "gildd.sock", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) answer =
      control_call (socket, "GET", "/hosts", NULL, TIMEOUT_SECONDS, &error);
  JsonObject *object = answer ? json_node_get_object (answer) : NULL;
  g_autoptr (GPtrArray) hosts = object ? hosts_read (object, name, &error) : NULL;

  if (!hosts)
    return verb_fail (verb, error);
  const char *trouble = json_object_get_string_member_with_default (object, "trouble", NULL);
  if (verb->json)
    print_json (object, name);
  else if (name)
    print_versions (hosts->pdata[0]);
  else
    print_hosts (hosts);
  if (trouble && !verb->json)
    printf ("no origin answers: %s\n", trouble);
  return EXIT_DONE;
}

static ExitStatus
remove_host (const Verb *verb, const char *name)
{
  g_autofree char *socket = config_run_path (verb->config, "gildd.sock", NULL);
  g_autofree char *path = g_strdup_printf ("/hosts/%s", name);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) answer =
      control_call (socket, "DELETE", path, NULL, REMOVE_TIMEOUT_SECONDS, &error);

  if (!answer)
    return verb_fail (verb, error);
  if (verb->json)
    json_print_object (json_node_get_object (answer));
  else
    printf ("%s is shut out\n", name);
  return EXIT_DONE;
}

ExitStatus
verb_hosts (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, NULL, "[NAME | remove NAME]",
          "List the hosts of the site: where they are, when an origin last heard of them, how many of their\n"
          "versions are there to the last byte, and which desktops they run. With NAME list the versions of\n"
          "that host and what each lacks. With remove shut host NAME out of the site, on its publisher.",
          0, 2, &status))
    return status;
  gboolean is_removal = verb.argc == 2;
  const char *name = verb.argc ? verb.argv[verb.argc - 1] : NULL;
  if (is_removal && !g_str_equal (verb.argv[0], "remove"))
    {
      fail (&error, "'%s' is not what can be done with a host; write: remove NAME", verb.argv[0]);
      return verb_usage (&verb, error);
    }
  if (name && !host_name_check (name, &error))
    return verb_usage (&verb, error);
  return is_removal ? remove_host (&verb, name) : list (&verb, name);
}
