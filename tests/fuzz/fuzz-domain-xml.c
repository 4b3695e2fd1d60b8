// SPDX-License-Identifier: GPL-2.0-or-later
// A domain's XML as the hook gets it: what it takes, gildd takes too.
#include "fuzz.h"

#include <string.h>

#include "daemon/desktop-request.h"
#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/image-name.h"
#include "virt-hooks/prepare-answer.h"

/* The request that the hook makes of METADATA is one that gildd reads, as it was meant.  */
static void
check_request (const Metadata *metadata)
{
  g_autoptr (JsonNode) body = prepare_request (metadata);
  g_autoptr (GError) error = NULL;
  g_autoptr (DesktopRequest) request =
      desktop_request_parse (metadata->name, json_node_get_object (body), &error);

  g_assert_no_error (error);
  g_assert_cmpstr (request->uuid, ==, metadata->uuid);
  g_assert_cmpuint (request->overlay_bytes, ==, metadata->overlay_bytes);
  g_assert_cmpint (request->has_spill, ==, metadata->has_spill);
  g_assert_cmpuint (request->spill_bytes, ==, metadata->spill_bytes);
  g_assert_cmpuint (request->disks->len, ==, metadata->disks->len);
  for (guint i = 0; i < request->disks->len; i++)
    {
      const DesktopDisk *asked = request->disks->pdata[i];
      const MetadataDisk *meant = metadata->disks->pdata[i];
      g_assert_cmpstr (asked->target, ==, meant->target);
      g_assert_cmpstr (asked->image, ==, meant->image);
      g_assert_cmpstr (asked->channel, ==, meant->channel);
      g_assert_cmpuint (asked->version, ==, meant->version);
    }
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Metadata) metadata = metadata_parse ((const char *)data, size, "/run/gild", &error);

  if (!metadata_is_mentioned ((const char *)data, size))
    {
      g_assert_true (!metadata && !error);
      return FALSE;
    }
  if (!metadata && !error)
    return FALSE; // the words are there, and no metadata
  if (!fuzz_check_result (metadata, error))
    return FALSE;
  check_request (metadata);
  return TRUE;
}
