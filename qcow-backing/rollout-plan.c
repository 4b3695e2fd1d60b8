// SPDX-License-Identifier: GPL-2.0-or-later
// A staged rollout on the publisher: which version a channel comes to name, on how many hosts
// first.

#include "rollout-plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "file-read.h"
#include "image-name.h"
#include "json-read.h"

#define FORMAT        "gild-rollout-1"
#define DIRECTORY     "rollout"
#define PAUSED        "paused"
#define SIZE_MAX_FILE 65536
#define PERCENT_MAX   100
#define WAIT_MAX      (366u * 24 * 3600)
#define NAME_MAX_SIZE 200

RolloutPlan *
rollout_plan_new (const char *image, const char *channel)
{
  RolloutPlan *plan = g_new0 (RolloutPlan, 1);

  plan->image = g_strdup (image);
  plan->channel = g_strdup (channel);
  plan->percents = g_array_new (FALSE, FALSE, sizeof (guint));
  return plan;
}

void
rollout_plan_free (RolloutPlan *plan)
{
  if (!plan)
    return;
  g_free (plan->image);
  g_free (plan->channel);
  g_array_unref (plan->percents);
  g_free (plan);
}

guint
rollout_plan_percent (const RolloutPlan *plan, guint stage)
{
  return g_array_index (plan->percents, guint, stage);
}

guint64
rollout_plan_last_serial (const RolloutPlan *plan)
{
  return plan->serial + plan->percents->len;
}

/* Whether the percents are what a plan's are.  */
static gboolean
check_percents (const RolloutPlan *plan, GError **error)
{
  guint n = plan->percents->len;

  if (n < 2 || n > ROLLOUT_STAGES_MAX)
    return fail (error, "a staged rollout has from 2 to %d stages", ROLLOUT_STAGES_MAX);
  for (guint i = 0; i < n; i++)
    if (rollout_plan_percent (plan, i) == 0 || rollout_plan_percent (plan, i) > PERCENT_MAX
        || (i > 0 && rollout_plan_percent (plan, i) <= rollout_plan_percent (plan, i - 1)))
      return fail (error, "each stage reaches more of the hosts, from 1%% to 100%%");
  return rollout_plan_percent (plan, n - 1) == PERCENT_MAX
         || fail (error, "the last stage is 100%%");
}

gboolean
rollout_plan_parse_stages (RolloutPlan *plan, const char *text, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", ROLLOUT_STAGES_MAX + 2);

  for (char **part = parts; *part; part++)
    {
      gsize size = strlen (*part);
      guint64 percent;
      if (size > 0 && (*part)[size - 1] == '%')
        (*part)[size - 1] = '\0';
      if (!g_ascii_string_to_unsigned (*part, 10, 1, PERCENT_MAX, &percent, NULL))
        return fail (error, "'%s': write stages as 5%%,25%%,100%%", text);
      guint stage = (guint)percent;
      g_array_append_val (plan->percents, stage);
    }
  return check_percents (plan, error);
}

char *
rollout_plan_to_json (const RolloutPlan *plan)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *percents = json_array_new ();

  for (guint i = 0; i < plan->percents->len; i++)
    json_array_add_int_element (percents, rollout_plan_percent (plan, i));
  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_string_member (object, "image", plan->image);
  json_object_set_string_member (object, "channel", plan->channel);
  json_object_set_int_member (object, "base", plan->base);
  json_object_set_int_member (object, "version", plan->version);
  json_object_set_int_member (object, "serial", (gint64)plan->serial);
  json_object_set_array_member (object, "percents", percents);
  json_object_set_int_member (object, "wait", plan->wait_seconds);
  json_node_take_object (root, object);
  return json_write (root);
}

static gboolean
read_percents (RolloutPlan *plan, JsonObject *object, GError **error)
{
  JsonArray *array = json_read_array (object, "percents", ROLLOUT_STAGES_MAX, error);

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      gint64 number =
          json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : 0;
      guint percent = (guint)CLAMP (number, 0, PERCENT_MAX + 1);
      g_array_append_val (plan->percents, percent);
    }
  return array && check_percents (plan, error);
}

RolloutPlan *
rollout_plan_from_json (const char *text, gsize size, GError **error)
{
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonObject *object = root ? json_node_get_object (root) : NULL;
  const char *image = object ? json_read_string (object, "image", NAME_MAX_SIZE, error) : NULL;
  const char *channel = image ? json_read_string (object, "channel", NAME_MAX_SIZE, error) : NULL;
  guint64 base, version, wait;

  if (!channel || !image_name_check (image, error) || !channel_name_check (channel, error)
      || !json_read_uint (object, "base", 1, VERSION_MAX, &base, error)
      || !json_read_uint (object, "version", 1, VERSION_MAX, &version, error)
      || !json_read_uint (object, "wait", 0, WAIT_MAX, &wait, error))
    return NULL;
  g_autoptr (RolloutPlan) plan = rollout_plan_new (image, channel);
  plan->base = (guint)base;
  plan->version = (guint)version;
  plan->wait_seconds = (guint)wait;
  if (!read_percents (plan, object, error)
      || !json_read_uint (object, "serial", 1, G_MAXINT64 - ROLLOUT_STAGES_MAX, &plan->serial,
                          error))
    return NULL;
  return g_steal_pointer (&plan);
}

RolloutPlan *
rollout_plan_load (const ImageLibrary *library, const char *image, GError **error)
{
  g_autofree char *path = rollout_plan_path (library, image, "plan.json");
  g_autoptr (GError) local_error = NULL;
  gsize size;
  g_autofree char *text = file_read (path, SIZE_MAX_FILE, &size, &local_error);

  if (!text)
    {
      if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  g_autoptr (RolloutPlan) plan = rollout_plan_from_json (text, size, &local_error);
  if (plan && g_str_equal (plan->image, image))
    return g_steal_pointer (&plan);
  fail (error, "%s: %s", path, plan ? "it is another image's" : local_error->message);
  return NULL;
}

int
rollout_plan_stage (const RolloutPlan *plan, const ChannelRecord *record)
{
  const ChannelRollout *rollout = channel_record_rollout (record, plan->channel);

  if (!rollout || rollout->version != plan->version || record->serial < plan->serial
      || record->serial >= plan->serial + plan->percents->len)
    return -1;
  return (int)(record->serial - plan->serial);
}

char *
rollout_plan_path (const ImageLibrary *library, const char *image, const char *name)
{
  g_autofree char *directory = image_library_path (library, image, DIRECTORY);

  return g_build_filename (directory, name, NULL);
}

char *
rollout_plan_stage_name (guint stage)
{
  return g_strdup_printf ("stage-%u.json.sig", stage + 1);
}

char *
rollout_plan_back_name (guint stage, gboolean were_up)
{
  return g_strdup_printf ("back-%u-%s.json.sig", stage + 1, were_up ? "steady" : "up");
}

gboolean
rollout_plan_is_paused (const ImageLibrary *library, const char *image)
{
  g_autofree char *path = rollout_plan_path (library, image, PAUSED);

  return access (path, F_OK) == 0;
}

gboolean
rollout_plan_set_paused (const ImageLibrary *library, const char *image, gboolean paused,
                         GError **error)
{
  g_autofree char *path = rollout_plan_path (library, image, PAUSED);
  int fd;

  if (!paused)
    return unlink (path) == 0 || errno == ENOENT || fail_errno (error, "remove %s", path);
  fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0)
    return fail_errno (error, "make %s", path);
  close (fd);
  return TRUE;
}

void
rollout_plan_remove_records (const ImageLibrary *library, const char *image)
{
  static const char *const KEPT[] = { "plan.json", "progress.json", NULL };
  g_autofree char *path = rollout_plan_path (library, image, NULL);
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  const char *name;

  while (directory && (name = g_dir_read_name (directory)))
    {
      g_autofree char *file = g_build_filename (path, name, NULL);
      if (!g_strv_contains (KEPT, name))
        unlink (file);
    }
}
