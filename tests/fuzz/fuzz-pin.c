// SPDX-License-Identifier: GPL-2.0-or-later
// A pin, which gc believes.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/pins.h"

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_read_object ((const char *)data, size, PIN_FORMAT, &error);

  if (!fuzz_check_result (node, error))
    return FALSE;
  g_autoptr (Pin) pin = pin_read (node, &error);
  if (!fuzz_check_result (pin, error))
    return FALSE;
  g_assert_true (g_utf8_validate (pin->name, -1, NULL));
  g_assert_cmpuint (pin->images->len, <=, DESKTOP_DISKS_MAX);
  for (guint i = 0; i < pin->images->len; i++)
    g_assert_nonnull (strchr (pin->images->pdata[i], '@'));
  return TRUE;
}
