// SPDX-License-Identifier: GPL-2.0-or-later
// What the hook asks for a desktop: its disks and sizes, as the domain's metadata has them.

#include "desktop-request.h"

#include <string.h>

#include "qcow-backing/channel-record.h"
#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/pins.h"

static void
desktop_disk_free (gpointer data)
{
  DesktopDisk *disk = data;

  g_free (disk->target);
  g_free (disk->image);
  g_free (disk->channel);
  g_free (disk);
}

/* A member that nobody knows is a mistake with a meaning ("chanel"), so it is not passed over.  */
static gboolean
check_members (JsonObject *object, const char *const known[], GError **error)
{
  g_autoptr (GList) members = json_object_get_members (object);

  for (GList *at = members; at; at = at->next)
    if (!g_strv_contains (known, at->data))
      return fail (error, "unknown member '%.100s'", (const char *)at->data);
  return TRUE;
}

/* What DISK is to boot: a version of its own, or what a channel names.  */
static gboolean
read_choice (DesktopDisk *disk, JsonObject *object, GError **error)
{
  guint64 version = 0;

  if (json_object_has_member (object, "version"))
    {
      if (json_object_has_member (object, "channel"))
        return fail (error, "both channel and version are given: leave one out");
      if (!json_read_uint (object, "version", 1, VERSION_MAX, &version, error))
        return FALSE;
      disk->version = (guint)version;
      return TRUE;
    }
  const char *channel = CHANNEL_DEFAULT;
  if (json_object_has_member (object, "channel"))
    channel = json_read_string (object, "channel", 100, error);
  if (!channel || !channel_name_check (channel, error))
    return FALSE;
  disk->channel = g_strdup (channel);
  return TRUE;
}

static gboolean
read_disk (DesktopRequest *request, JsonNode *node, GError **error)
{
  static const char *const KNOWN[] = { "target", "image", "channel", "version", NULL };

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return fail (error, "it is not an object");
  JsonObject *object = json_node_get_object (node);
  const char *target = json_read_string (object, "target", 100, error);
  const char *image = target ? json_read_string (object, "image", 300, error) : NULL;
  if (!image || !check_members (object, KNOWN, error) || !disk_target_check (target, error)
      || !image_name_check (image, error))
    return FALSE;
  for (guint i = 0; i < request->disks->len; i++)
    if (g_str_equal (((DesktopDisk *)request->disks->pdata[i])->target, target))
      return fail (error, "the target %s is there twice", target);

  DesktopDisk *disk = g_new0 (DesktopDisk, 1);
  g_ptr_array_add (request->disks, disk);
  disk->target = g_strdup (target);
  disk->image = g_strdup (image);
  return read_choice (disk, object, error);
}

static gboolean
read_disks (DesktopRequest *request, JsonObject *body, GError **error)
{
  JsonArray *disks = json_read_array (body, "disks", DESKTOP_DISKS_MAX, error);

  if (!disks)
    return FALSE;
  if (json_array_get_length (disks) == 0)
    return fail (error, "it has no disks");
  for (guint i = 0; i < json_array_get_length (disks); i++)
    if (!read_disk (request, json_array_get_element (disks, i), error))
      {
        g_prefix_error (error, "disk %u: ", i + 1);
        return FALSE;
      }
  return TRUE;
}

static gboolean
read_sizes (DesktopRequest *request, JsonObject *body, GError **error)
{
  request->has_spill = json_object_has_member (body, "spill");
  return (!json_object_has_member (body, "overlay")
          || json_read_uint (body, "overlay", DESKTOP_OVERLAY_MIN, DESKTOP_SIZE_MAX,
                             &request->overlay_bytes, error))
         && (!request->has_spill
             || json_read_uint (body, "spill", 0, DESKTOP_SIZE_MAX, &request->spill_bytes, error));
}

/* Where it is attached, if it is no domain.  */
static gboolean
read_directory (DesktopRequest *request, JsonObject *body, GError **error)
{
  if (!json_object_has_member (body, "directory"))
    return TRUE;
  const char *directory = json_read_string (body, "directory", PIN_DIRECTORY_MAX, error);
  if (!directory)
    return FALSE;
  request->directory = g_strdup (directory);
  return pin_directory_check (directory, error);
}

static gboolean
read_body (DesktopRequest *request, JsonObject *body, GError **error)
{
  static const char *const KNOWN[] = { "uuid", "disks", "overlay", "spill", "directory", NULL };

  if (!body)
    return fail (error, "it has no body");
  const char *uuid = json_read_string (body, "uuid", 100, error);
  if (!uuid || !check_members (body, KNOWN, error))
    return FALSE;
  if (!g_uuid_string_is_valid (uuid))
    return fail (error, "'%s' is not a UUID", uuid);
  request->uuid = g_strdup (uuid);
  return read_sizes (request, body, error) && read_directory (request, body, error)
         && read_disks (request, body, error);
}

gboolean
desktop_request_check_name (const char *name, GError **error)
{
  g_autoptr (GError) cause = NULL;

  return desktop_name_check (name, &cause)
         || fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "%s", cause->message);
}

DesktopRequest *
desktop_request_parse (const char *name, JsonObject *body, GError **error)
{
  g_autoptr (DesktopRequest) request = g_new0 (DesktopRequest, 1);
  g_autoptr (GError) cause = NULL;

  if (!desktop_request_check_name (name, error))
    return NULL;
  request->name = g_strdup (name);
  request->disks = g_ptr_array_new_with_free_func (desktop_disk_free);
  if (read_body (request, body, &cause))
    return g_steal_pointer (&request);
  fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "the request for %s cannot be used: %s", name,
             cause->message);
  return NULL;
}

void
desktop_request_free (DesktopRequest *request)
{
  if (!request)
    return;
  g_free (request->name);
  g_free (request->uuid);
  g_free (request->directory);
  g_clear_pointer (&request->disks, g_ptr_array_unref);
  g_free (request);
}
