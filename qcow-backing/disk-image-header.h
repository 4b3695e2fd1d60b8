// SPDX-License-Identifier: GPL-2.0-or-later
// Reading the headers of disk image files: only as much as tells what they refer to.
#pragma once

#include <glib.h>

/* How much of a file's start is looked at, and of its end.  */
#define DISK_IMAGE_START_SIZE (256u << 10)
#define DISK_IMAGE_END_SIZE   512u

typedef struct
{
  const guint8 *start; // the file's first bytes
  gsize start_size;    // at most DISK_IMAGE_START_SIZE
  const guint8 *end;   // its last bytes
  gsize end_size;      // at most DISK_IMAGE_END_SIZE
} DiskImageHeader;

/* The format that the bytes show: "qcow2", "vmdk", …, also one that cannot be published; "raw"
   where they show none.  */
const char *disk_image_header_format (const DiskImageHeader *header);

/* Check the header of a file of FORMAT for what cannot be published.  Where a backing file is
   named, *BACKING is what the header says, byte for byte, and *BACKING_FORMAT its format; both
   owned by the caller, else NULL.  */
gboolean disk_image_header_check (const DiskImageHeader *header, const char *format, char **backing,
                                  char **backing_format, GError **error);
