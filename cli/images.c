// SPDX-License-Identifier: GPL-2.0-or-later
// gild images: list images and their versions.

#include "gild.h"

#include <stdio.h>

#include "daemon/control-client.h"
#include "image-history.h"
#include "image-usage.h"
#include "network/host.h"
#include "qcow-backing/check-results.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-library.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/size.h"
#include "rollout.h"

#define TIMEOUT_SECONDS 5
#define NAME_SIZE       200

typedef struct
{
  const Config *config;
  ImageLibrary *library;
  GHashTable *missing; // IMAGE@VERSION -> guint64 *, bytes; what gildd has counted
  Table *table;        // or
  JsonArray *array;    // with --json
  GPtrArray *rollouts; // sentences for people
  gboolean failed;     // something could not be read, and was named on stderr
} Listing;

/* Read VERSIONS, gildd's answer, into a table; what is not as it should be is left out.  */
static GHashTable *
read_missing (JsonArray *versions)
{
  GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (guint i = 0; versions && i < json_array_get_length (versions); i++)
    {
      JsonNode *node = json_array_get_element (versions, i);
      JsonObject *entry = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      const char *ref = entry ? json_read_string (entry, "ref", NAME_SIZE, NULL) : NULL;
      guint64 bytes;
      if (ref && json_read_uint (entry, "missing", 0, G_MAXINT64, &bytes, NULL))
        g_hash_table_replace (table, g_strdup (ref), g_memdup2 (&bytes, sizeof bytes));
    }
  return table;
}

/* How complete the versions are, as gildd has counted; nothing where no gildd runs.  */
static GHashTable *
ask_missing (const Config *config)
{
  g_autofree char *socket = config_run_path (config, "gildd.sock", NULL);
  g_autoptr (JsonNode) answer =
      control_call (socket, "GET", "/versions", NULL, TIMEOUT_SECONDS, NULL);

  return read_missing (
      answer ? json_read_array (json_node_get_object (answer), "versions", HOST_VERSIONS_MAX, NULL)
             : NULL);
}

static char *
format_missing (GHashTable *missing, const char *ref)
{
  const guint64 *bytes = g_hash_table_lookup (missing, ref);
  g_autofree char *size = bytes ? size_format (*bytes) : NULL;

  if (!bytes)
    return g_strdup ("?");
  return *bytes ? g_strdup_printf ("%s missing", size) : g_strdup ("offline-ready");
}

/* What the last check of a version has found; NULL where there was none, or *IS_READABLE is FALSE.
 */
static CheckRecord *
load_check (const Listing *listing, const VersionRecord *record, gboolean *is_readable)
{
  g_autoptr (GError) error = NULL;
  CheckRecord *check = check_results_load (listing->config, record->image, record->version, &error);

  *is_readable = error == NULL;
  if (error)
    fprintf (stderr, "gild images: %s\n", error->message);
  return check;
}

static const char *
describe_check (const Listing *listing, const VersionRecord *record)
{
  gboolean is_readable;
  g_autoptr (CheckRecord) check = load_check (listing, record, &is_readable);

  if (!check)
    return is_readable ? "-" : "?";
  return check->is_up ? "up" : "not up";
}

static void
add_to_table (const Listing *listing, const VersionRecord *record, const char *channels)
{
  g_autofree char *name = g_strdup_printf ("%s@%u", record->image, record->version);
  g_autofree char *virtual_size = size_format (record->virtual_size);
  g_autofree char *data_size = size_format (record->data_size);
  g_autofree char *new_size = size_format (record->new_size);
  g_autofree char *date = utc_date_to_local (record->created);
  g_autofree char *note = image_history_line (record->note);
  g_autofree char *here = format_missing (listing->missing, name);

  table_add (listing->table, name, *channels ? channels : "-", virtual_size, data_size, new_size,
             date, here, describe_check (listing, record), note, NULL);
}

/* Which of CHANNELS, which may be NULL, name VERSION, and which a rollout lets name it on some
   hosts.  */
static void
add_channels (JsonObject *object, const ChannelRecord *channels, guint version)
{
  JsonArray *names = json_array_new ();
  JsonObject *rollouts = json_object_new ();
  g_autoptr (GList) all = channels ? g_hash_table_get_keys (channels->channels) : NULL;

  for (GList *l = all; l; l = l->next)
    {
      const ChannelRollout *rollout = channel_record_rollout (channels, l->data);
      if (channel_record_get (channels, l->data) == version)
        json_array_add_string_element (names, l->data);
      if (rollout && rollout->version == version)
        json_object_set_int_member (rollouts, l->data, rollout->percent);
    }
  json_object_set_array_member (object, "channels", names);
  json_object_set_object_member (object, "rollouts", rollouts);
}

static void
add_check (JsonObject *object, const Listing *listing, const VersionRecord *record)
{
  gboolean is_readable;
  g_autoptr (CheckRecord) check = load_check (listing, record, &is_readable);
  JsonObject *member = check ? json_object_new () : NULL;

  if (!check)
    {
      json_object_set_null_member (object, "check");
      return;
    }
  json_object_set_string_member (member, "result", check->is_up ? "up" : "not-up");
  json_object_set_string_member (member, "checked", check->checked);
  json_object_set_object_member (object, "check", member);
}

static void
add_to_array (const Listing *listing, const VersionRecord *record, const ChannelRecord *channels)
{
  g_autofree char *ref = g_strdup_printf ("%s@%u", record->image, record->version);
  const guint64 *missing = g_hash_table_lookup (listing->missing, ref);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "image", record->image);
  json_object_set_int_member (object, "version", record->version);
  add_channels (object, channels, record->version);
  json_object_set_int_member (object, "virtual_size", (gint64)record->virtual_size);
  json_object_set_int_member (object, "data_size", (gint64)record->data_size);
  json_object_set_int_member (object, "new_size", (gint64)record->new_size);
  json_object_set_string_member (object, "created", record->created);
  json_object_set_string_member (object, "note", record->note);
  if (missing)
    json_object_set_int_member (object, "missing", (gint64)*missing);
  else
    json_object_set_null_member (object, "missing");
  add_check (object, listing, record);
  json_array_add_object_element (listing->array, object);
}

static void
warn_if_expired (const ChannelRecord *channels)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();

  if (channel_record_is_expired (channels, now))
    fprintf (stderr,
             "gild images: the channel record of %s expired at %s, and is used: publish again\n",
             channels->image, channels->expires);
}

static gboolean
list_image (Listing *listing, const char *image, gboolean *has_versions, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GArray) versions = image_library_versions (listing->library, image, error);
  g_autoptr (ChannelRecord) channels = NULL;

  if (!versions)
    return FALSE;
  *has_versions = versions->len > 0;
  channels = image_library_load_channels (listing->library, image, &local_error);
  if (local_error)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (channels)
    warn_if_expired (channels);
  char *rollout = rollout_describe (listing->library, image);
  if (rollout)
    g_ptr_array_add (listing->rollouts, rollout);
  for (guint i = 0; i < versions->len; i++)
    {
      guint version = g_array_index (versions, guint, i);
      g_autoptr (VersionRecord) record =
          image_library_load_record (listing->library, image, version, error);
      g_autofree char *names =
          channels ? channel_record_names_of (channels, version) : g_strdup ("");
      if (!record)
        return FALSE;
      if (listing->table)
        add_to_table (listing, record, names);
      else
        add_to_array (listing, record, channels);
    }
  return TRUE;
}

/* What is damaged does not hide what is not: say so, and go on.  */
static void
report_damage (Listing *listing, const char *image, const GError *error)
{
  fprintf (stderr, "gild images: %s: %s\n", image, error->message);
  listing->failed = TRUE;
}

static gboolean
list (Listing *listing, const Verb *verb, const char *only, GError **error)
{
  g_autoptr (GPtrArray) images = NULL;
  gboolean found = only == NULL;

  if (!(listing->library = verb_open_library (verb, error))
      || !(images = image_library_images (listing->library, error)))
    return FALSE;
  for (guint i = 0; i < images->len; i++)
    if (!only || g_str_equal (only, images->pdata[i]))
      {
        gboolean has_versions = FALSE;
        g_autoptr (GError) local_error = NULL;
        if (!list_image (listing, images->pdata[i], &has_versions, &local_error))
          report_damage (listing, images->pdata[i], local_error);
        found = found || has_versions;
      }
  return found || image_library_fail_missing (only, 0, error);
}

static void
print_rollouts (const Listing *listing)
{
  for (guint i = 0; i < listing->rollouts->len; i++)
    printf ("%s\n", (const char *)listing->rollouts->pdata[i]);
}

ExitStatus
verb_images (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Table) table = NULL;
  g_autoptr (JsonObject) object = NULL;
  Listing listing = { 0 };
  gboolean history = FALSE, du = FALSE;
  const GOptionEntry options[] = {
    { "history", 0, 0, G_OPTION_ARG_NONE, &history,
      "Show who made which channel of IMAGE name which version, when and why", NULL },
    { "du", 0, 0, G_OPTION_ARG_NONE, &du, "Show what versions and images cost the store alone",
      NULL },
    G_OPTION_ENTRY_NULL,
  };
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "[IMAGE]",
          "List all images, or IMAGE, with their versions: which channels name each, the size of the\n"
          "disk, its data, what of that was new, when and why it was made, whether all of it is here, so\n"
          "that it boots without any other host, or how much is missing, and whether it came up when it\n"
          "was checked here.",
          0, 1, &status))
    return status;
  const char *only = verb.argc ? verb.argv[0] : NULL;
  if (only && !image_name_check (only, &error))
    return verb_usage (&verb, error);
  if (history && du)
    {
      fail (&error, "--history and --du are two lists: give one");
      return verb_usage (&verb, error);
    }
  if (history && !only)
    {
      fail (&error, "--history is of one image: name it");
      return verb_usage (&verb, error);
    }
  if (history)
    return image_history_print (&verb, only, &error) ? EXIT_DONE : verb_fail (&verb, error);
  if (du)
    return image_usage_print (&verb, only, &error) ? EXIT_DONE : verb_fail (&verb, error);
  if (verb.json)
    {
      object = json_object_new ();
      listing.array = json_array_new ();
      json_object_set_array_member (object, "images", listing.array);
    }
  else
    table = listing.table = table_new ("IMAGE", "CHANNEL", "SIZE", "DATA", "NEW", "DATE", "HERE",
                                       "CHECK", "NOTE", NULL);
  g_autoptr (GPtrArray) rollouts = listing.rollouts = g_ptr_array_new_with_free_func (g_free);
  listing.config = verb.config;
  listing.missing = ask_missing (verb.config);
  gboolean ok = list (&listing, &verb, only, &error);
  image_library_free (listing.library);
  g_hash_table_unref (listing.missing);
  if (!ok)
    return verb_fail (&verb, error);
  if (verb.json)
    json_print_object (object);
  else
    {
      table_print (table);
      print_rollouts (&listing);
    }
  return listing.failed ? EXIT_FAILED : EXIT_DONE;
}
