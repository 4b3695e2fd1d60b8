// SPDX-License-Identifier: GPL-2.0-or-later
// The channel record: which version each channel of an image names.

#include "channel-record.h"

#include "fail.h"
#include "image-name.h"
#include "json-read.h"
#include "rollout-bucket.h"
#include "utc-date.h"

#define FORMAT      "gild-channels-1"
#define PERCENT_MAX 100

ChannelRecord *
channel_record_new (const char *image)
{
  ChannelRecord *record = g_new0 (ChannelRecord, 1);

  record->image = g_strdup (image);
  record->channels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  record->rollouts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  record->history = channel_history_new ();
  return record;
}

void
channel_record_free (ChannelRecord *record)
{
  if (!record)
    return;
  g_free (record->image);
  g_hash_table_unref (record->channels);
  g_hash_table_unref (record->rollouts);
  g_ptr_array_unref (record->history);
  g_free (record->expires);
  g_free (record);
}

guint
channel_record_get (const ChannelRecord *record, const char *channel)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (record->channels, channel));
}

guint
channel_record_resolve (const ChannelRecord *record, const char *channel, const char *host)
{
  const ChannelRollout *rollout = channel_record_rollout (record, channel);

  if (rollout && rollout_bucket (record->image, rollout->version, host) < rollout->percent)
    return rollout->version;
  return channel_record_get (record, channel);
}

const ChannelRollout *
channel_record_rollout (const ChannelRecord *record, const char *channel)
{
  return g_hash_table_lookup (record->rollouts, channel);
}

void
channel_record_set_rollout (ChannelRecord *record, const char *channel, guint version,
                            guint percent)
{
  ChannelRollout *rollout = g_new (ChannelRollout, 1);

  *rollout = (ChannelRollout){ version, percent };
  g_hash_table_insert (record->rollouts, g_strdup (channel), rollout);
}

/* The names in TABLE, sorted; the strings are the table's.  */
static GList *
sorted_names (GHashTable *table)
{
  return g_list_sort (g_hash_table_get_keys (table), (GCompareFunc)g_strcmp0);
}

char *
channel_record_names_of (const ChannelRecord *record, guint version)
{
  g_autoptr (GList) names = sorted_names (record->channels);
  g_autoptr (GString) joined = g_string_new (NULL);

  for (GList *l = names; l; l = l->next)
    {
      const char *name = l->data, *separator = joined->len ? ", " : "";
      const ChannelRollout *rollout = channel_record_rollout (record, name);
      if (channel_record_get (record, name) == version)
        g_string_append_printf (joined, "%s%s", separator, name);
      else if (rollout && rollout->version == version)
        g_string_append_printf (joined, "%s%s (%u %%)", separator, name, rollout->percent);
    }
  return g_string_free (g_steal_pointer (&joined), FALSE);
}

static void
add_version (GArray *versions, guint version)
{
  for (guint i = 0; i < versions->len; i++)
    if (g_array_index (versions, guint, i) == version)
      return;
  g_array_append_val (versions, version);
}

GArray *
channel_record_versions (const ChannelRecord *record)
{
  GArray *versions = g_array_new (FALSE, FALSE, sizeof (guint));
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, record->channels);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    add_version (versions, GPOINTER_TO_UINT (value));
  g_hash_table_iter_init (&iter, record->rollouts);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    add_version (versions, ((const ChannelRollout *)value)->version);
  return versions;
}

guint
channel_record_last_version (const ChannelRecord *record)
{
  g_autoptr (GArray) versions = channel_record_versions (record);
  guint last = 0;

  for (guint i = 0; i < versions->len; i++)
    last = MAX (last, g_array_index (versions, guint, i));
  for (guint i = 0; i < record->history->len; i++)
    last = MAX (last, ((const ChannelEvent *)record->history->pdata[i])->version);
  return last;
}

gboolean
channel_record_is_expired (const ChannelRecord *record, GDateTime *now)
{
  g_autoptr (GDateTime) expires = g_date_time_new_from_iso8601 (record->expires, NULL);

  return !expires || g_date_time_compare (expires, now) <= 0;
}

static JsonObject *
channels_to_json (const ChannelRecord *record)
{
  g_autoptr (GList) names = sorted_names (record->channels);
  JsonObject *object = json_object_new ();

  for (GList *l = names; l; l = l->next)
    json_object_set_int_member (object, l->data, channel_record_get (record, l->data));
  return object;
}

static JsonObject *
rollouts_to_json (const ChannelRecord *record)
{
  g_autoptr (GList) names = sorted_names (record->rollouts);
  JsonObject *object = json_object_new ();

  for (GList *l = names; l; l = l->next)
    {
      const ChannelRollout *rollout = channel_record_rollout (record, l->data);
      JsonObject *entry = json_object_new ();
      json_object_set_int_member (entry, "version", rollout->version);
      json_object_set_int_member (entry, "percent", rollout->percent);
      json_object_set_object_member (object, l->data, entry);
    }
  return object;
}

char *
channel_record_to_json (const ChannelRecord *record)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_string_member (object, "image", record->image);
  json_object_set_int_member (object, "serial", (gint64)record->serial);
  json_object_set_object_member (object, "channels", channels_to_json (record));
  json_object_set_string_member (object, "expires", record->expires);
  if (g_hash_table_size (record->rollouts) > 0)
    json_object_set_object_member (object, "rollouts", rollouts_to_json (record));
  if (record->reserved > 0)
    json_object_set_int_member (object, "reserved", (gint64)record->reserved);
  if (record->history->len > 0)
    json_object_set_array_member (object, "history", channel_history_to_json (record->history));
  json_node_take_object (root, object);
  return json_write (root);
}

static gboolean
read_channels (ChannelRecord *record, JsonObject *channels, GError **error)
{
  g_autoptr (GList) names = json_object_get_members (channels);

  for (GList *l = names; l; l = l->next)
    {
      guint64 version;
      if (!channel_name_check (l->data, error)
          || !json_read_uint (channels, l->data, 1, VERSION_MAX, &version, error))
        return FALSE;
      g_hash_table_insert (record->channels, g_strdup (l->data), GUINT_TO_POINTER ((guint)version));
    }
  return TRUE;
}

/* Each into a channel that names something, for the hosts that it has not reached.  */
static gboolean
read_rollouts (ChannelRecord *record, JsonObject *object, GError **error)
{
  JsonObject *rollouts;

  if (!json_object_has_member (object, "rollouts"))
    return TRUE;
  if (!(rollouts = json_read_member (object, "rollouts", error)))
    return FALSE;
  g_autoptr (GList) names = json_object_get_members (rollouts);
  for (GList *l = names; l; l = l->next)
    {
      JsonObject *entry = json_read_member (rollouts, l->data, error);
      guint64 version, percent;
      if (!entry || !json_read_uint (entry, "version", 1, VERSION_MAX, &version, error)
          || !json_read_uint (entry, "percent", 1, PERCENT_MAX, &percent, error))
        return FALSE;
      if (!channel_record_get (record, l->data))
        return fail (error, "\"rollouts\" has a channel that is not in \"channels\"");
      channel_record_set_rollout (record, l->data, (guint)version, (guint)percent);
    }
  return TRUE;
}

static gboolean
read_history (ChannelRecord *record, JsonObject *object, GError **error)
{
  if (!json_object_has_member (object, "history"))
    return TRUE;
  JsonArray *array = json_read_array (object, "history", CHANNEL_HISTORY_MAX, error);
  GPtrArray *history = array ? channel_history_from_json (array, error) : NULL;
  if (!history)
    return FALSE;
  g_ptr_array_unref (record->history);
  record->history = history;
  return TRUE;
}

static gboolean
read_serials (ChannelRecord *record, JsonObject *object, GError **error)
{
  return json_read_uint (object, "serial", 1, G_MAXINT64, &record->serial, error)
         && (!json_object_has_member (object, "reserved")
             || json_read_uint (object, "reserved", record->serial, G_MAXINT64, &record->reserved,
                                error));
}

ChannelRecord *
channel_record_from_json (const char *text, gsize size, GError **error)
{
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonObject *object = root ? json_node_get_object (root) : NULL;
  const char *image = object ? json_read_string (object, "image", 200, error) : NULL;

  if (!image || !image_name_check (image, error))
    return NULL;
  g_autoptr (ChannelRecord) record = channel_record_new (image);
  JsonObject *channels = json_read_member (object, "channels", error);
  const char *expires =
      channels ? json_read_string (object, "expires", UTC_DATE_SIZE_MAX, error) : NULL;
  if (!expires || !read_channels (record, channels, error) || !read_serials (record, object, error)
      || !read_rollouts (record, object, error) || !read_history (record, object, error))
    return NULL;
  record->expires = g_strdup (expires);
  return g_steal_pointer (&record);
}
