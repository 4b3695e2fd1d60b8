// SPDX-License-Identifier: GPL-2.0-or-later
// What versions and images cost the store: the chunks that nobody else has.
#pragma once

#include "image-library.h"

typedef struct
{
  char *image;
  guint version;       // 0: all versions of the image together
  guint64 alone_bytes; // on the disk, that would be free without it
} DiskUsage;

/* What each version of LIBRARY costs, and after those of an image, the image; an array of
   DiskUsage *, sorted.  What several versions of one image have and no other image has costs the
   image alone.  Fails where a version cannot be read, since then it is not known whose chunks are
   whose.  */
GPtrArray *disk_usage_measure (const ImageLibrary *library, GError **error);
