// SPDX-License-Identifier: GPL-2.0-or-later
// gild spill: set how much of the disk a running desktop may use when its overlay is full.

#include "gild.h"

#include <stdio.h>

#include "daemon/control-client.h"
#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/size.h"

#define TIMEOUT_SECONDS 5

static gboolean
parse_size (const char *text, guint64 *bytes, GError **error)
{
  if (!text)
    return fail (error, "--size is missing: write --size 40GiB, or --size 0 for none");
  if (!size_parse (text, bytes, error))
    return FALSE;
  return *bytes <= DESKTOP_SIZE_MAX
         || fail (error, "--size: %s is out of range: write a size from 0 to 1024TiB", text);
}

static gboolean
set_size (const Verb *verb, guint64 bytes, GError **error)
{
  g_autofree char *socket = config_run_path (verb->config, "gildd.sock", NULL);
  g_autofree char *path = g_strdup_printf ("/desktops/%s/spill", verb->argv[0]);
  g_autoptr (JsonNode) body = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "size", (gint64)bytes);
  json_node_take_object (body, object);
  g_autoptr (JsonNode) answer = control_call (socket, "POST", path, body, TIMEOUT_SECONDS, error);
  return answer != NULL;
}

static void
print_result (const Verb *verb, guint64 bytes)
{
  g_autofree char *size = size_format (bytes);
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "name", verb->argv[0]);
  json_object_set_int_member (object, "spill", (gint64)bytes);
  if (verb->json)
    json_print_object (object);
  else
    printf ("%s may use %s of the disk until it is shut down\n", verb->argv[0], size);
}

ExitStatus
verb_spill (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *size = NULL;
  const GOptionEntry options[] = {
    { "size", 0, 0, G_OPTION_ARG_STRING, &size, "As much of the disk, as in 40GiB; 0: none",
      "SIZE" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  guint64 bytes = 0;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "NAME",
          "Set how much of the disk the running desktop NAME may use when its overlay in RAM is full, until\n"
          "it is shut down. A desktop that is paused for want of space goes on. The last tenth of the disk is\n"
          "never used. What it gets at its next start is the spill= of its metadata, or of gild.conf.",
          1, 1, &status))
    return status;
  if (!desktop_name_check (verb.argv[0], &error) || !parse_size (size, &bytes, &error))
    return verb_usage (&verb, error);
  if (!set_size (&verb, bytes, &error))
    return verb_fail (&verb, error);
  print_result (&verb, bytes);
  return EXIT_DONE;
}
