// SPDX-License-Identifier: GPL-2.0-or-later
// A check record: sound in itself, and written again it reads the same.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/check-record.h"
#include "qcow-backing/image-name.h"

static void
check_file (const char *name)
{
  g_assert_true (!name || (name[0] && name[0] != '.' && !strchr (name, '/')));
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CheckRecord) record = check_record_from_json ((const char *)data, size, &error);

  if (!fuzz_check_result (record, error))
    return FALSE;
  g_assert_true (image_name_check (record->image, NULL));
  g_assert_true (record->version >= 1 && record->version <= VERSION_MAX);
  g_assert_true (record->seconds >= 0);
  g_assert_cmpuint (strlen (record->reason), <=, CHECK_RECORD_REASON_MAX);
  g_assert_true (g_utf8_validate (record->reason, -1, NULL));
  check_file (record->console);
  check_file (record->screenshot);
  g_autofree char *text = check_record_to_json (record);
  g_autoptr (CheckRecord) again = check_record_from_json (text, strlen (text), &error);
  g_assert_no_error (error);
  g_autofree char *text_again = check_record_to_json (again);
  g_assert_cmpstr (text, ==, text_again);
  return TRUE;
}
