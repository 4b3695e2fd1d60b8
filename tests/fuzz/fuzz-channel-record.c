// SPDX-License-Identifier: GPL-2.0-or-later
// A channel record: its names are names, and written again it reads the same.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/channel-record.h"
#include "qcow-backing/image-name.h"

static void
check_history (const ChannelRecord *record)
{
  g_assert_cmpuint (record->history->len, <=, CHANNEL_HISTORY_MAX);
  for (guint i = 0; i < record->history->len; i++)
    {
      const ChannelEvent *event = record->history->pdata[i];
      g_assert_true (channel_name_check (event->channel, NULL));
      g_assert_true (event->version >= 1 && event->version <= VERSION_MAX);
      g_assert_cmpuint (event->from, <=, VERSION_MAX);
      g_assert_cmpuint (event->version, <=, channel_record_last_version (record));
      channel_history_before (record->history, event->channel, event->version);
    }
}

static void
check_rollouts (const ChannelRecord *record)
{
  GHashTableIter iter;
  gpointer name, value;

  g_assert_true (record->reserved == 0 || record->reserved >= record->serial);
  g_hash_table_iter_init (&iter, record->rollouts);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      const ChannelRollout *rollout = value;
      guint version = channel_record_resolve (record, name, "pc1");
      g_assert_true (rollout->percent >= 1 && rollout->percent <= 100);
      g_assert_true (version == rollout->version || version == channel_record_get (record, name));
    }
}

static void
check_sound (const ChannelRecord *record)
{
  GHashTableIter iter;
  gpointer name, version;

  g_assert_true (image_name_check (record->image, NULL));
  g_assert_true (record->serial >= 1 && record->serial <= G_MAXINT64);
  g_assert_true (g_utf8_validate (record->expires, -1, NULL));
  g_hash_table_iter_init (&iter, record->channels);
  while (g_hash_table_iter_next (&iter, &name, &version))
    {
      g_autofree char *names = channel_record_names_of (record, GPOINTER_TO_UINT (version));
      g_assert_true (channel_name_check (name, NULL));
      g_assert_cmpuint (channel_record_get (record, name), ==, GPOINTER_TO_UINT (version));
      g_assert_nonnull (strstr (names, name));
    }
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ChannelRecord) record = channel_record_from_json ((const char *)data, size, &error);

  if (!fuzz_check_result (record, error))
    return FALSE;
  check_sound (record);
  check_history (record);
  check_rollouts (record);
  g_autofree char *text = channel_record_to_json (record);
  g_autoptr (ChannelRecord) again = channel_record_from_json (text, strlen (text), &error);
  g_assert_no_error (error);
  g_autofree char *text_again = channel_record_to_json (again);
  g_assert_cmpstr (text, ==, text_again);
  return TRUE;
}
