// SPDX-License-Identifier: GPL-2.0-or-later
// Which images the desktops of this host use: what runs now, and what ran of late.
//
// STATE/images/used.json:
//
//   { "format": "gild-used-1", "images": [{ "image", "channel", "seen": ISO 8601 in UTC }] }
#pragma once

#include <glib.h>

#include "qcow-backing/config.h"

#define USED_DAYS 60 // after so long without a desktop an image is not kept ready any more

typedef struct
{
  char *image, *channel;
  char *seen;
} UsedImage;

/* The images that were used within USED_DAYS, with what the pins say that runs now; of UsedImage *,
   owned by the caller.  Notes in the file what is new.  */
GPtrArray *used_images_look (const Config *config, GError **error);
