// SPDX-License-Identifier: GPL-2.0-or-later
// The channel record: which version each channel of an image names.

#include "channel-record.h"

#include "fail.h"
#include "image-name.h"
#include "json-read.h"

#define FORMAT        "gild-channels-1"
#define DATE_SIZE_MAX 40

ChannelRecord *
channel_record_new (const char *image)
{
  ChannelRecord *record = g_new0 (ChannelRecord, 1);

  record->image = g_strdup (image);
  record->channels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return record;
}

void
channel_record_free (ChannelRecord *record)
{
  if (!record)
    return;
  g_free (record->image);
  g_hash_table_unref (record->channels);
  g_free (record->expires);
  g_free (record);
}

guint
channel_record_get (const ChannelRecord *record, const char *channel)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (record->channels, channel));
}

/* The channels' names, sorted; the strings are the table's.  */
static GList *
sorted_names (const ChannelRecord *record)
{
  return g_list_sort (g_hash_table_get_keys (record->channels), (GCompareFunc)g_strcmp0);
}

char *
channel_record_names_of (const ChannelRecord *record, guint version)
{
  g_autoptr (GList) names = sorted_names (record);
  g_autoptr (GString) joined = g_string_new (NULL);

  for (GList *l = names; l; l = l->next)
    if (channel_record_get (record, l->data) == version)
      g_string_append_printf (joined, "%s%s", joined->len ? ", " : "", (const char *)l->data);
  return g_string_free (g_steal_pointer (&joined), FALSE);
}

gboolean
channel_record_is_expired (const ChannelRecord *record, GDateTime *now)
{
  g_autoptr (GDateTime) expires = g_date_time_new_from_iso8601 (record->expires, NULL);

  return !expires || g_date_time_compare (expires, now) <= 0;
}

char *
channel_record_to_json (const ChannelRecord *record)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GList) names = sorted_names (record);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "format");
  json_builder_add_string_value (builder, FORMAT);
  json_builder_set_member_name (builder, "image");
  json_builder_add_string_value (builder, record->image);
  json_builder_set_member_name (builder, "serial");
  json_builder_add_int_value (builder, (gint64)record->serial);
  json_builder_set_member_name (builder, "channels");
  json_builder_begin_object (builder);
  for (GList *l = names; l; l = l->next)
    {
      json_builder_set_member_name (builder, l->data);
      json_builder_add_int_value (builder, channel_record_get (record, l->data));
    }
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "expires");
  json_builder_add_string_value (builder, record->expires);
  json_builder_end_object (builder);

  g_autoptr (JsonNode) root = json_builder_get_root (builder);
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
      channels ? json_read_string (object, "expires", DATE_SIZE_MAX, error) : NULL;
  if (!expires || !read_channels (record, channels, error)
      || !json_read_uint (object, "serial", 1, G_MAXINT64, &record->serial, error))
    return NULL;
  record->expires = g_strdup (expires);
  return g_steal_pointer (&record);
}
