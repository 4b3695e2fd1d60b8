// SPDX-License-Identifier: GPL-2.0-or-later
// gild images --history: what has become of an image's channels.

#include "image-history.h"

static void
print_table (const GPtrArray *history)
{
  g_autoptr (Table) table =
      table_new ("WHEN", "CHANNEL", "VERSION", "BEFORE", "ACTION", "BY", "NOTE", NULL);

  for (guint i = 0; i < history->len; i++)
    {
      const ChannelEvent *event = history->pdata[i];
      g_autofree char *date = utc_date_to_local (event->at);
      g_autofree char *version = g_strdup_printf ("%u", event->version);
      g_autofree char *from = event->from ? g_strdup_printf ("%u", event->from) : g_strdup ("-");
      g_autofree char *by = image_history_line (event->by);
      g_autofree char *note = image_history_line (event->note);
      table_add (table, date, event->channel, version, from, event->action, by, note, NULL);
    }
  table_print (table);
}

char *
image_history_line (const char *text)
{
  char *line = g_strdup (text);

  for (char *c = line; *c; c++)
    if (g_ascii_iscntrl (*c))
      *c = ' ';
  return line;
}

gboolean
image_history_print (const Verb *verb, const char *image, GError **error)
{
  g_autoptr (ImageLibrary) library = verb_open_library (verb, error);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ChannelRecord) record =
      library ? image_library_load_channels (library, image, &local_error) : NULL;

  if (local_error)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else if (library && !record)
    image_library_fail_missing (image, 0, error);
  if (!record)
    return FALSE;
  if (!verb->json)
    {
      print_table (record->history);
      return TRUE;
    }
  g_autoptr (JsonObject) object = json_object_new ();
  json_object_set_string_member (object, "image", image);
  json_object_set_array_member (object, "history", channel_history_to_json (record->history));
  json_print_object (object);
  return TRUE;
}
