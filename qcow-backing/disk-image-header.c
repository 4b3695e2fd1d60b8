// SPDX-License-Identifier: GPL-2.0-or-later
// Reading the headers of disk image files: only as much as tells what they refer to.
//
// qcow2: QEMU's docs/interop/qcow2.txt.  vmdk: VMware's "Virtual Disk Format 5.0",
// SparseExtentHeader. vpc (VHD): Microsoft's "Virtual Hard Disk Image Format Specification", the
// footer.

#include "disk-image-header.h"

#include <string.h>

#include "fail.h"
#include "index.h"
#include "size.h"

#define QCOW2_HEADER_SIZE_V2     72
#define QCOW2_HEADER_SIZE_V3_MIN 104
#define QCOW2_CORRUPT            (1u << 1)
#define QCOW2_DATA_FILE          (1u << 2)
#define QCOW2_EXTENSION_FORMAT   0xe2792acau
#define QCOW2_BACKING_SIZE_MAX   1023
#define VPC_DIFFERENCING         4

static const struct
{
  const char *format;
  gsize offset;
  const char *magic;
  gsize magic_size;
} MAGICS[] = {
  { "qcow2", 0, "QFI\xfb\0\0\0\2", 8 },
  { "qcow2", 0, "QFI\xfb\0\0\0\3", 8 },
  { "qcow", 0, "QFI\xfb", 4 },
  { "qed", 0, "QED\0", 4 },
  { "vmdk", 0, "KDMV", 4 },
  { "vmdk", 0, "COWD", 4 },
  { "vmdk", 0, "# Disk DescriptorFile", 21 },
  { "vhdx", 0, "vhdxfile", 8 },
  { "vpc", 0, "conectix", 8 },
  { "vdi", 64, "\x7f\x10\xda\xbe", 4 },
  { "parallels", 0, "WithoutFreeSpace", 16 },
  { "parallels", 0, "WithouFreSpacExt", 16 },
  { "luks", 0, "LUKS\xba\xbe", 6 },
};

static guint32
be32 (const guint8 *bytes)
{
  guint32 value;

  memcpy (&value, bytes, sizeof value);
  return GUINT32_FROM_BE (value);
}

static guint64
be64 (const guint8 *bytes)
{
  guint64 value;

  memcpy (&value, bytes, sizeof value);
  return GUINT64_FROM_BE (value);
}

static guint64
le64 (const guint8 *bytes)
{
  guint64 value;

  memcpy (&value, bytes, sizeof value);
  return GUINT64_FROM_LE (value);
}

const char *
disk_image_header_format (const DiskImageHeader *header)
{
  for (gsize i = 0; i < G_N_ELEMENTS (MAGICS); i++)
    if (header->start_size >= MAGICS[i].offset + MAGICS[i].magic_size
        && memcmp (header->start + MAGICS[i].offset, MAGICS[i].magic, MAGICS[i].magic_size) == 0)
      return MAGICS[i].format;
  if (header->end_size == DISK_IMAGE_END_SIZE && memcmp (header->end, "conectix", 8) == 0)
    return "vpc";
  return "raw";
}

/* The format of the backing file, from the header extensions between OFFSET and END.  */
static char *
qcow2_backing_format (const guint8 *data, guint64 offset, guint64 end)
{
  while (offset + 8 <= end)
    {
      guint32 type = be32 (data + offset);
      guint64 length = be32 (data + offset + 4);
      offset += 8;
      if (type == 0 || length > end - offset)
        break;
      if (type == QCOW2_EXTENSION_FORMAT)
        return g_strndup ((const char *)data + offset, length);
      offset += (length + 7) & ~G_GUINT64_CONSTANT (7);
    }
  return NULL;
}

static gboolean
qcow2_backing (const DiskImageHeader *header, guint64 extensions, char **backing,
               char **backing_format, GError **error)
{
  guint64 offset = be64 (header->start + 8);
  guint32 size = be32 (header->start + 16);

  if (offset == 0)
    return TRUE;
  if (size == 0 || size > QCOW2_BACKING_SIZE_MAX || offset < extensions
      || offset > header->start_size || size > header->start_size - offset
      || memchr (header->start + offset, '\0', size))
    return fail (error,
                 "its header is damaged: the name of its backing file is not where it must be");
  *backing = g_strndup ((const char *)header->start + offset, size);
  *backing_format = qcow2_backing_format (header->start, extensions, offset);
  return TRUE;
}

static gboolean
check_qcow2 (const DiskImageHeader *header, char **backing, char **backing_format, GError **error)
{
  const guint8 *data = header->start;

  if (header->start_size < QCOW2_HEADER_SIZE_V3_MIN)
    return fail (error, "it is cut short in its header");
  gboolean is_v2 = be32 (data + 4) == 2;
  guint64 virtual_size = be64 (data + 24);
  guint64 features = is_v2 ? 0 : be64 (data + 72);
  guint64 extensions = is_v2 ? QCOW2_HEADER_SIZE_V2 : be32 (data + 100);

  if (virtual_size == 0)
    return fail (error, "its virtual size is 0: there is nothing to publish");
  if (virtual_size > INDEX_VIRTUAL_SIZE_MAX)
    return fail (error,
                 "its virtual size is %" G_GUINT64_FORMAT
                 " bytes; the largest that gild takes is %" G_GUINT64_FORMAT " TiB",
                 virtual_size, INDEX_VIRTUAL_SIZE_MAX / TiB);
  if (be32 (data + 32) != 0)
    return fail (error, "it is encrypted; publish a decrypted copy (qemu-img convert)");
  if (features & QCOW2_DATA_FILE)
    return fail (
        error, "its data is in an external file; publish a copy that is whole (qemu-img convert)");
  if (features & QCOW2_CORRUPT)
    return fail (error, "it is marked as corrupt; see `qemu-img check -r all`");
  return qcow2_backing (header, extensions, backing, backing_format, error);
}

/* Refuse a vmdk that is more than one file.  */
static gboolean
check_vmdk (const DiskImageHeader *header, GError **error)
{
  static const char OTHER[] =
      "it is a vmdk in several files or with a parent; publish a copy that is whole (qemu-img convert)";

  if (header->start_size < 512 || memcmp (header->start, "KDMV", 4) != 0
      || le64 (header->start + 12) == 0)
    return fail (error, OTHER);
  guint64 offset = le64 (header->start + 28), size = le64 (header->start + 36);
  if (offset == 0)
    return TRUE;
  if (offset > header->start_size / 512 || size > (header->start_size - offset * 512) / 512)
    return fail (error, "its header is damaged: its descriptor is not where it must be");
  g_autofree char *descriptor =
      g_ascii_strdown ((const char *)header->start + offset * 512, (gssize)(size * 512));
  const char *parent = strstr (descriptor, "parentcid=");
  const char *type = strstr (descriptor, "createtype=\"");
  const char *parent_name = strstr (descriptor, "parentfilenamehint"); // QEMU goes by this alone
  if (parent_name || (parent && !g_str_has_prefix (parent, "parentcid=ffffffff")) || !type
      || (!g_str_has_prefix (type, "createtype=\"monolithicsparse\"")
          && !g_str_has_prefix (type, "createtype=\"streamoptimized\"")))
    return fail (error, OTHER);
  return TRUE;
}

static gboolean
check_vpc (const DiskImageHeader *header, GError **error)
{
  if (header->end_size < DISK_IMAGE_END_SIZE || memcmp (header->end, "conectix", 8) != 0)
    return fail (error, "it is cut short: its footer is missing");
  if (be32 (header->end + 60) == VPC_DIFFERENCING)
    return fail (error,
                 "it is a differencing disk; publish a copy that is whole (qemu-img convert)");
  return TRUE;
}

gboolean
disk_image_header_check (const DiskImageHeader *header, const char *format, char **backing,
                         char **backing_format, GError **error)
{
  const char *actual = disk_image_header_format (header);

  *backing = *backing_format = NULL;
  if (!g_str_equal (actual, format) && !g_str_equal (actual, "raw"))
    return fail (error, "its header says %s, and not %s; say -f %s if that is right", actual,
                 format, actual);
  if (!g_str_equal (actual, format))
    return fail (error, "it has no header of a %s image; it is damaged, or not of that format (-f)",
                 format);
  if (g_str_equal (format, "qcow2"))
    return check_qcow2 (header, backing, backing_format, error);
  if (g_str_equal (format, "vmdk"))
    return check_vmdk (header, error);
  if (g_str_equal (format, "vpc"))
    return check_vpc (header, error);
  return TRUE;
}
