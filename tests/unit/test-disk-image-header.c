// SPDX-License-Identifier: GPL-2.0-or-later
// Headers of disk images: what they refer to is found before QEMU could follow it.
#include <string.h>

#include "qcow-backing/disk-image-header.h"

typedef struct
{
  guint8 start[4096], end[DISK_IMAGE_END_SIZE];
  DiskImageHeader header;
} Image;

static void
put_be32 (guint8 *to, guint32 value)
{
  value = GUINT32_TO_BE (value);
  memcpy (to, &value, sizeof value);
}

static void
put_be64 (guint8 *to, guint64 value)
{
  value = GUINT64_TO_BE (value);
  memcpy (to, &value, sizeof value);
}

/* A qcow2 of 1 GiB over base.img, which is raw.  */
static void
make_qcow2 (Image *image)
{
  memset (image, 0, sizeof *image);
  memcpy (image->start, "QFI\xfb", 4);
  put_be32 (image->start + 4, 3);
  put_be64 (image->start + 8, 512);
  put_be32 (image->start + 16, 8);
  put_be64 (image->start + 24, 1 << 30);
  put_be32 (image->start + 100, 104);
  put_be32 (image->start + 104, 0xe2792aca);
  put_be32 (image->start + 108, 3);
  memcpy (image->start + 112, "raw", 3);
  memcpy (image->start + 512, "base.img", 8);
  image->header =
      (DiskImageHeader){ image->start, sizeof image->start, image->end, sizeof image->end };
}

static void
test_qcow2 (void)
{
  Image image;
  g_autofree char *backing = NULL, *format = NULL;
  g_autoptr (GError) error = NULL;

  make_qcow2 (&image);
  g_assert_true (disk_image_header_check (&image.header, "qcow2", &backing, &format, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (backing, ==, "base.img");
  g_assert_cmpstr (format, ==, "raw");
}

static void
no_virtual_size (Image *image)
{
  put_be64 (image->start + 24, 0);
}

static void
huge_virtual_size (Image *image)
{
  put_be64 (image->start + 24, G_GUINT64_CONSTANT (1) << 63);
}

static void
data_file (Image *image)
{
  put_be64 (image->start + 72, 1 << 2);
}

static void
corrupt (Image *image)
{
  put_be64 (image->start + 72, 1 << 1);
}

static void
encrypted (Image *image)
{
  put_be32 (image->start + 32, 2);
}

static void
backing_beyond_header (Image *image)
{
  put_be64 (image->start + 8, 4092);
}

static void
backing_far_away (Image *image)
{
  put_be64 (image->start + 8, G_MAXUINT64 - 4);
}

static void
backing_in_header (Image *image)
{
  put_be64 (image->start + 8, 24);
}

static void
backing_too_long (Image *image)
{
  put_be32 (image->start + 16, 1024);
}

static void
backing_with_nul (Image *image)
{
  image->start[514] = 0;
}

static void
backing_empty (Image *image)
{
  put_be32 (image->start + 16, 0);
}

static void
header_length_huge (Image *image)
{
  put_be32 (image->start + 100, G_MAXUINT32);
}

static void
cut_short (Image *image)
{
  image->header.start_size = 80;
}

static void
test_bad_qcow2 (void)
{
  static const struct
  {
    void (*spoil) (Image *image);
    const char *said;
  } BAD[] = {
    { no_virtual_size, "virtual size is 0" },
    { huge_virtual_size, "largest" },
    { data_file, "external file" },
    { corrupt, "corrupt" },
    { encrypted, "encrypted" },
    { backing_beyond_header, "damaged" },
    { backing_far_away, "damaged" },
    { backing_in_header, "damaged" },
    { backing_too_long, "damaged" },
    { backing_with_nul, "damaged" },
    { backing_empty, "damaged" },
    { header_length_huge, "damaged" },
    { cut_short, "cut short" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      Image image;
      char *backing, *format;
      g_autoptr (GError) error = NULL;
      make_qcow2 (&image);
      BAD[i].spoil (&image);
      g_assert_false (disk_image_header_check (&image.header, "qcow2", &backing, &format, &error));
      g_assert_nonnull (strstr (error->message, BAD[i].said));
      g_assert_null (backing);
      g_assert_null (format);
    }
}

/* Extensions that lie about their length end the search, and are never followed out of the header.
 */
static void
test_lying_extension (void)
{
  Image image;
  g_autofree char *backing = NULL, *format = NULL;

  make_qcow2 (&image);
  put_be32 (image.start + 108, G_MAXUINT32);
  g_assert_true (disk_image_header_check (&image.header, "qcow2", &backing, &format, NULL));
  g_assert_null (format);
}

static void
test_formats_are_not_probed (void)
{
  static const struct
  {
    const char *magic;
    gsize size, offset;
    const char *is;
  } FORMATS[] = { { "QFI\xfb\0\0\0\3", 8, 0, "qcow2" },       { "KDMV", 4, 0, "vmdk" },
                  { "# Disk DescriptorFile", 21, 0, "vmdk" }, { "vhdxfile", 8, 0, "vhdx" },
                  { "\x7f\x10\xda\xbe", 4, 64, "vdi" },       { "QED\0", 4, 0, "qed" } };

  for (gsize i = 0; i < G_N_ELEMENTS (FORMATS); i++)
    {
      Image image = { 0 };
      char *backing, *format;
      g_autoptr (GError) error = NULL;
      image.header =
          (DiskImageHeader){ image.start, sizeof image.start, image.end, sizeof image.end };
      memcpy (image.start + FORMATS[i].offset, FORMATS[i].magic, FORMATS[i].size);
      g_assert_cmpstr (disk_image_header_format (&image.header), ==, FORMATS[i].is);
      g_assert_false (disk_image_header_check (&image.header, "raw", &backing, &format, &error));
      g_assert_nonnull (strstr (error->message, FORMATS[i].is));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/disk-image-header/bad-qcow2", test_bad_qcow2);
  g_test_add_func ("/disk-image-header/lying-extension", test_lying_extension);
  g_test_add_func ("/disk-image-header/not-probed", test_formats_are_not_probed);
  g_test_add_func ("/disk-image-header/qcow2", test_qcow2);
  return g_test_run ();
}
