// SPDX-License-Identifier: GPL-2.0-or-later
// What the hook asks for a desktop: its disks and sizes, as the domain's metadata has them.
//
//   { "uuid": U, "disks": [{ "target": "vda", "image": "a/b", "channel": "production" },
//                          { "target": "vdb", "image": "a/c", "version": 5 }],
//     "overlay": bytes, "spill": bytes }
//
// What is no domain but an attachment (gild attach) also has "directory": its absolute path.
// A disk with neither channel nor version follows the channel "production"; sizes may be left out.
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct
{
  char *target;
  char *image;
  char *channel; // NULL: pinned to VERSION
  guint version; // 0: what the channel names
} DesktopDisk;

typedef struct
{
  char *name;
  char *uuid;
  char *directory;       // NULL: a domain of libvirt's
  guint64 overlay_bytes; // 0: not given
  guint64 spill_bytes;
  gboolean has_spill;
  GPtrArray *disks; // of DesktopDisk, at least one, each target once
} DesktopRequest;

/* Whether NAME can name a desktop of this host; G_IO_ERROR_INVALID_ARGUMENT.  */
gboolean desktop_request_check_name (const char *name, GError **error);

/* Read BODY, which may be NULL, as the request for the desktop NAME.  Refuses whatever is not as
   above with G_IO_ERROR_INVALID_ARGUMENT.  */
DesktopRequest *desktop_request_parse (const char *name, JsonObject *body, GError **error);
void desktop_request_free (DesktopRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DesktopRequest, desktop_request_free)
