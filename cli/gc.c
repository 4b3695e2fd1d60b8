// SPDX-License-Identifier: GPL-2.0-or-later
// gild gc: remove versions and chunks that nobody needs.

#include "gild.h"

#include <stdio.h>

#include "daemon/control-client.h"
#include "network/running-versions.h"
#include "qcow-backing/edit-directory.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/gc.h"
#include "qcow-backing/size.h"

#define TIMEOUT_SECONDS 5

static void
print_json (const GcResult *result)
{
  g_autoptr (JsonObject) object = json_object_new ();
  JsonArray *versions = json_array_new ();

  for (guint i = 0; i < result->versions->len; i++)
    json_array_add_string_element (versions, result->versions->pdata[i]);
  json_object_set_array_member (object, "versions", versions);
  json_object_set_int_member (object, "chunks", (gint64)result->chunks);
  json_object_set_int_member (object, "freed", (gint64)result->freed_bytes);
  json_print_object (object);
}

static void
print_text (const GcResult *result, gboolean dry_run)
{
  g_autofree char *freed = size_format (result->freed_bytes);

  for (guint i = 0; i < result->versions->len; i++)
    printf ("%s%s\n", dry_run ? "would remove " : "removed ", (char *)result->versions->pdata[i]);
  printf ("%s%u versions, %" G_GUINT64_FORMAT " chunks", dry_run ? "would remove " : "removed ",
          result->versions->len, result->chunks);
  if (!dry_run)
    printf (", %s freed", freed);
  printf ("\n");
}

/* What other hosts run, as gildd has heard of it, or last wrote down.  */
static GHashTable *
find_running (const Config *config, GError **error)
{
  g_autofree char *socket = config_run_path (config, "gildd.sock", NULL);
  g_autoptr (JsonNode) hosts = control_call (socket, "GET", "/hosts", NULL, TIMEOUT_SECONDS, NULL);

  return hosts ? running_versions_in (json_node_get_object (hosts), config->hosts_days, error)
               : running_versions_load (config, error);
}

static gboolean
collect (const Verb *verb, GcOptions *options, GcResult *result, GError **error)
{
  g_autoptr (ImageLibrary) library = NULL;

  // Before this process becomes the store's owner: these directories are root's.
  if (!options->dry_run && !edit_directory_sweep (verb->config, error))
    return FALSE;
  library = verb_open_library (verb, error);
  g_autoptr (GHashTable) running = library ? find_running (verb->config, error) : NULL;
  if (!running)
    return FALSE;
  options->elsewhere = running;
  g_autoptr (TerminalProgress) progress = terminal_progress_new ("gc");
  return gc_run (verb->config, library, options, terminal_progress_get (progress)->cancelled,
                 result, error);
}

ExitStatus
verb_gc (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (GcResult) result = { 0 };
  g_autofree char *keep_text = NULL;
  Retention keep;
  GcOptions options = { 0 };
  const GOptionEntry entries[] = {
    { "keep", 0, 0, G_OPTION_ARG_STRING, &keep_text,
      "Of each image keep the newest N versions, or with Nd those of N days [as configured, 5]",
      "KEEP" },
    { "dry-run", 0, 0, G_OPTION_ARG_NONE, &options.dry_run, "Say what would go, and remove nothing",
      NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, entries, "",
          "Remove the versions that no channel names, that no desktop runs anywhere, and that keep= does not name; then\n"
          "all chunks that no version needs, and what crashed publishes left.",
          0, 0, &status))
    return status;
  options.limit_bytes = verb.config->store_limit_bytes;
  if (keep_text && !retention_parse (keep_text, &keep, &error))
    {
      g_prefix_error (&error, "--keep: ");
      return verb_usage (&verb, error);
    }
  options.keep = keep_text ? &keep : NULL;
  if (!collect (&verb, &options, &result, &error))
    return verb_fail (&verb, error);
  if (verb.json)
    print_json (&result);
  else
    print_text (&result, options.dry_run);
  return EXIT_DONE;
}
