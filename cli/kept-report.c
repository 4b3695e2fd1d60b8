// SPDX-License-Identifier: GPL-2.0-or-later
// What gild desktops says of overlays that are kept.

#include "kept-report.h"

#include "qcow-backing/size.h"

char *
kept_report_text (const KeptOverlays *kept)
{
  const char *name = kept->pin->name;
  g_autofree char *size = size_format (kept->bytes);

  if (kept->failure)
    return g_strdup_printf (
        "what it had written until %s could not be kept: %s; `gild keep --drop %s` forgets that",
        kept->at, kept->failure, name);
  return g_strdup_printf (
      "what it had written until %s is kept (%s): `gild capture %s IMAGE` publishes it, `gild keep --drop %s` throws it away",
      kept->at, size, name, name);
}

JsonObject *
kept_report_json (const KeptOverlays *kept)
{
  JsonObject *object = json_object_new ();
  JsonArray *images = json_array_new ();

  for (guint i = 0; i < kept->pin->images->len; i++)
    json_array_add_string_element (images, kept->pin->images->pdata[i]);
  json_object_set_array_member (object, "images", images);
  json_object_set_string_member (object, "since", kept->since);
  json_object_set_string_member (object, "kept", kept->at);
  json_object_set_int_member (object, "bytes", (gint64)kept->bytes);
  if (kept->failure)
    json_object_set_string_member (object, "failure", kept->failure);
  else
    json_object_set_null_member (object, "failure");
  return object;
}
