// SPDX-License-Identifier: GPL-2.0-or-later
// A version record: sound in itself, and written again it reads the same.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/image-name.h"
#include "qcow-backing/index.h"
#include "qcow-backing/version-record.h"

static void
check_sound (const VersionRecord *record)
{
  guint64 size = record->index_size;

  g_assert_true (image_name_check (record->image, NULL));
  g_assert_true (record->version >= 1 && record->version <= VERSION_MAX);
  g_assert_cmpuint (record->parent, <, record->version);
  g_assert_true (record->virtual_size >= 1 && record->virtual_size <= INDEX_VIRTUAL_SIZE_MAX);
  g_assert_cmpuint (record->data_size, <=, record->virtual_size);
  g_assert_cmpuint (record->new_size, <=, record->virtual_size);
  g_assert_cmpuint (record->index_chunks->len, ==, (size + CHUNK_SIZE - 1) / CHUNK_SIZE);
  g_assert_true (g_utf8_validate (record->note, -1, NULL));
  g_assert_true (g_utf8_validate (record->created, -1, NULL));
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VersionRecord) record = version_record_from_json ((const char *)data, size, &error);

  if (!fuzz_check_result (record, error))
    return FALSE;
  check_sound (record);
  g_autofree char *text = version_record_to_json (record);
  g_autoptr (VersionRecord) again = version_record_from_json (text, strlen (text), &error);
  g_assert_no_error (error);
  g_autofree char *text_again = version_record_to_json (again);
  g_assert_cmpstr (text, ==, text_again);
  return TRUE;
}
