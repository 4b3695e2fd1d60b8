// SPDX-License-Identifier: GPL-2.0-or-later
// A channel record: its names are names, and written again it reads the same.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/channel-record.h"
#include "qcow-backing/image-name.h"

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
  g_autofree char *text = channel_record_to_json (record);
  g_autoptr (ChannelRecord) again = channel_record_from_json (text, strlen (text), &error);
  g_assert_no_error (error);
  g_autofree char *text_again = channel_record_to_json (again);
  g_assert_cmpstr (text, ==, text_again);
  return TRUE;
}
