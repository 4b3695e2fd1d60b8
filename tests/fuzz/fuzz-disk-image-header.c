// SPDX-License-Identifier: GPL-2.0-or-later
// A disk image of any format, before any QEMU program sees it.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/disk-image-header.h"

static const char *const FORMATS[] = { "raw", "qcow2", "vmdk", "vhdx", "vpc", "vdi", "parallels" };

/* Whether HEADER is taken for an image of FORMAT.  */
static gboolean
check_as (const DiskImageHeader *header, const char *format)
{
  g_autofree char *backing = NULL, *backing_format = NULL;
  g_autoptr (GError) error = NULL;
  gboolean ok = disk_image_header_check (header, format, &backing, &backing_format, &error);

  fuzz_check_result (ok ? header : NULL, error);
  g_assert_true (!ok || g_str_equal (format, disk_image_header_format (header)));
  g_assert_true (ok || !backing);
  g_assert_true (!backing || (g_str_equal (format, "qcow2") && backing[0]));
  g_assert_true (backing || !backing_format);
  return ok;
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  gsize end_size = MIN (size, DISK_IMAGE_END_SIZE);
  DiskImageHeader header = { .start = data,
                             .start_size = MIN (size, DISK_IMAGE_START_SIZE),
                             .end = data + size - end_size,
                             .end_size = end_size };
  gboolean is_good = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (FORMATS); i++)
    is_good |= check_as (&header, FORMATS[i]);
  return is_good;
}
