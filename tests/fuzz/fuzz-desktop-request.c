// SPDX-License-Identifier: GPL-2.0-or-later
// POST /desktops/NAME/prepare: a line with the name, then the body.
#include "fuzz.h"

#include <gio/gio.h>
#include <string.h>

#include "daemon/desktop-request.h"
#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"

static void
check_sound (const DesktopRequest *request)
{
  g_assert_true (desktop_name_check (request->name, NULL));
  g_assert_true (g_uuid_string_is_valid (request->uuid));
  g_assert_cmpuint (request->overlay_bytes, <=, DESKTOP_SIZE_MAX);
  g_assert_cmpuint (request->spill_bytes, <=, DESKTOP_SIZE_MAX);
  g_assert_true (request->disks->len >= 1 && request->disks->len <= DESKTOP_DISKS_MAX);
  for (guint i = 0; i < request->disks->len; i++)
    {
      const DesktopDisk *disk = request->disks->pdata[i];
      g_assert_true (disk_target_check (disk->target, NULL));
      g_assert_true (image_name_check (disk->image, NULL));
      g_assert_true ((disk->channel != NULL) == (disk->version == 0));
      g_assert_true (!disk->channel || channel_name_check (disk->channel, NULL));
      g_assert_cmpuint (disk->version, <=, VERSION_MAX);
      for (guint j = 0; j < i; j++)
        g_assert_cmpstr (disk->target, !=, ((DesktopDisk *)request->disks->pdata[j])->target);
    }
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  const guint8 *newline = size ? memchr (data, '\n', size) : NULL;
  gsize name_size = newline ? (gsize)(newline - data) : size;
  gsize body_size = newline ? size - name_size - 1 : 0;
  g_autofree char *name = g_strndup ((const char *)data, name_size);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) body = NULL;

  // An empty body is a request without one, as it is for gildd.
  if (body_size > 0
      && !(body = json_read_object ((const char *)newline + 1, body_size, NULL, &error)))
    return fuzz_check_result (NULL, error);
  g_autoptr (DesktopRequest) request =
      desktop_request_parse (name, body ? json_node_get_object (body) : NULL, &error);
  if (!fuzz_check_result (request, error))
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
      return FALSE;
    }
  check_sound (request);
  return TRUE;
}
