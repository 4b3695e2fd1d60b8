// SPDX-License-Identifier: GPL-2.0-or-later
// What has become of an image's channels.

#include "channel-history.h"

#include "fail.h"
#include "image-name.h"
#include "json-read.h"
#include "utc-date.h"
#include "version-record.h"

#define WORD_MAX 32
#define BY_MAX   200

static void
event_free (gpointer data)
{
  ChannelEvent *event = data;

  g_free (event->channel);
  g_free (event->action);
  g_free (event->at);
  g_free (event->by);
  g_free (event->note);
  g_free (event);
}

GPtrArray *
channel_history_new (void)
{
  return g_ptr_array_new_with_free_func (event_free);
}

void
channel_history_add (GPtrArray *history, const ChannelEvent *event)
{
  ChannelEvent *added = g_new (ChannelEvent, 1);

  *added = (ChannelEvent){ event->serial,        g_strdup (event->channel), event->version,
                           event->from,          g_strdup (event->action),  g_strdup (event->at),
                           g_strdup (event->by), g_strdup (event->note) };
  if (history->len == CHANNEL_HISTORY_MAX)
    g_ptr_array_remove_index (history, 0);
  g_ptr_array_add (history, added);
}

/* Whether EVENT came to name its version by going back.  */
static gboolean
goes_back (const ChannelEvent *event)
{
  static const char *const ACTIONS[] = { CHANNEL_ROLLBACK, CHANNEL_BACK, CHANNEL_STOP, NULL };

  return g_strv_contains (ACTIONS, event->action);
}

guint
channel_history_before (const GPtrArray *history, const char *channel, guint version)
{
  for (guint i = history->len; i-- > 0;)
    {
      const ChannelEvent *event = history->pdata[i];
      if (g_str_equal (event->channel, channel) && event->version == version
          && event->from != version && !goes_back (event))
        return event->from;
    }
  return 0;
}

static JsonObject *
event_to_json (const ChannelEvent *event)
{
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "serial", (gint64)event->serial);
  json_object_set_string_member (object, "channel", event->channel);
  json_object_set_int_member (object, "version", event->version);
  if (event->from)
    json_object_set_int_member (object, "from", event->from);
  else
    json_object_set_null_member (object, "from");
  json_object_set_string_member (object, "action", event->action);
  json_object_set_string_member (object, "at", event->at);
  json_object_set_string_member (object, "by", event->by);
  json_object_set_string_member (object, "note", event->note);
  return object;
}

JsonArray *
channel_history_to_json (const GPtrArray *history)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < history->len; i++)
    json_array_add_object_element (array, event_to_json (history->pdata[i]));
  return array;
}

static gboolean
read_numbers (JsonObject *object, ChannelEvent *event, GError **error)
{
  JsonNode *node = json_object_get_member (object, "from");
  guint64 version, from = 0;

  if (!json_read_uint (object, "serial", 1, G_MAXINT64, &event->serial, error)
      || !json_read_uint (object, "version", 1, VERSION_MAX, &version, error)
      || ((!node || !JSON_NODE_HOLDS_NULL (node))
          && !json_read_uint (object, "from", 1, VERSION_MAX, &from, error)))
    return FALSE;
  event->version = (guint)version;
  event->from = (guint)from;
  return TRUE;
}

/* Read OBJECT into EVENT, whose strings are OBJECT's.  */
static gboolean
read_event (JsonObject *object, ChannelEvent *event, GError **error)
{
  const struct
  {
    const char *member;
    gsize size_max;
    char **text;
  } TEXTS[] = {
    { "channel", WORD_MAX, &event->channel },  { "action", WORD_MAX, &event->action },
    { "at", UTC_DATE_SIZE_MAX, &event->at },   { "by", BY_MAX, &event->by },
    { "note", RECORD_NOTE_MAX, &event->note },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (TEXTS); i++)
    {
      const char *text = json_read_string (object, TEXTS[i].member, TEXTS[i].size_max, error);
      if (!text)
        return FALSE;
      *TEXTS[i].text = (char *)text;
    }
  return channel_name_check (event->channel, error) && channel_name_check (event->action, error)
         && read_numbers (object, event, error);
}

GPtrArray *
channel_history_from_json (JsonArray *array, GError **error)
{
  g_autoptr (GPtrArray) history = channel_history_new ();

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      ChannelEvent event;
      if (!JSON_NODE_HOLDS_OBJECT (node))
        {
          fail (error, "\"history\" has something else than objects");
          return NULL;
        }
      if (!read_event (json_node_get_object (node), &event, error))
        {
          g_prefix_error (error, "\"history\": ");
          return NULL;
        }
      channel_history_add (history, &event);
    }
  return g_steal_pointer (&history);
}
