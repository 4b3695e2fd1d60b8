// SPDX-License-Identifier: GPL-2.0-or-later
// Litter: what publishes and collections that crashed have left.

#include "litter.h"

#include <string.h>
#include <unistd.h>

#include "boot-profile-file.h"
#include "chunk-staging.h"
#include "fail.h"
#include "image-name.h"
#include "record-file.h"

/* A version's files; the first one makes it exist.  */
static const char *const SUFFIXES[] = { ".json.sig", ".json", ".caibx", BOOT_PROFILE_SUFFIX };

/* Whether NAME, in an image's directory, is a temporary file of
   file_write_durably, or a file of a version that has no signed record.  */
static gboolean
is_litter (const char *directory, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (SUFFIXES); i++)
    {
      const char *suffix = strstr (name, SUFFIXES[i]);
      const char *rest = suffix ? suffix + strlen (SUFFIXES[i]) : NULL;
      if (!rest || (*rest && !(strlen (rest) == 7 && rest[0] == '.')))
        continue;
      g_autofree char *number = g_strndup (name, (gsize)(suffix - name));
      g_autofree char *record = g_strdup_printf ("%s/%s.json.sig", directory, number);
      guint version;
      if (*rest)
        return !g_str_equal (rest, ".sig");
      return version_parse (number, &version, NULL) && !g_file_test (record, G_FILE_TEST_EXISTS);
    }
  return FALSE;
}

static gboolean
remove_litter (const ImageLibrary *library, const char *image, GError **error)
{
  g_autofree char *path = image_library_path (library, image, NULL);
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  const char *name;

  while (directory && (name = g_dir_read_name (directory)))
    if (is_litter (path, name))
      {
        g_autofree char *file = g_build_filename (path, name, NULL);
        if (unlink (file) < 0)
          return fail_errno (error, "remove %s", file);
      }
  return TRUE;
}

/* Write the text beside the record at PATH anew where a crash left it behind.  */
static gboolean
mend_record (const ImageLibrary *library, const char *path, GError **error)
{
  const PublicKey *key = image_library_public_key (library);
  g_autofree char *signed_text = record_file_read (path, key, NULL, NULL);

  return !signed_text || record_file_mend (path, key, error); // verify says what is wrong with it
}

static gboolean
mend_records (const ImageLibrary *library, const char *image, GError **error)
{
  g_autofree char *channels = image_library_path (library, image, "channels.json");
  g_autoptr (GArray) versions = image_library_versions (library, image, error);

  for (guint i = 0; versions && i < versions->len; i++)
    {
      g_autofree char *path =
          image_library_version_path (library, image, g_array_index (versions, guint, i), ".json");
      if (!mend_record (library, path, error))
        return FALSE;
    }
  return versions && mend_record (library, channels, error);
}

/* Remove the directory of IMAGE if no version was ever made in it, and the department's if it was
 * the last.  */
static void
remove_if_empty (const ImageLibrary *library, const char *image)
{
  g_autofree char *path = image_library_path (library, image, NULL);
  g_autofree char *lock = image_library_path (library, image, IMAGE_LOCK);
  g_autofree char *channels = image_library_path (library, image, "channels.json.sig");
  g_autoptr (GArray) versions = image_library_versions (library, image, NULL);

  if (!versions || versions->len > 0 || g_file_test (channels, G_FILE_TEST_EXISTS))
    return;
  unlink (lock);
  rmdir (path);
}

/* Remove the directories of departments that have no image.  */
static void
remove_empty_departments (const ImageLibrary *library)
{
  g_autofree char *images = image_library_path (library, "", NULL);
  g_autoptr (GDir) directory = g_dir_open (images, 0, NULL);
  const char *name;

  while (directory && (name = g_dir_read_name (directory)))
    {
      g_autofree char *path = g_build_filename (images, name, NULL);
      rmdir (path); // only an empty one goes
    }
}

gboolean
litter_sweep (ImageLibrary *library, GError **error)
{
  g_autoptr (GPtrArray) images = image_library_images (library, error);
  guint staged;

  for (guint i = 0; images && i < images->len; i++)
    {
      if (!remove_litter (library, images->pdata[i], error)
          || !mend_records (library, images->pdata[i], error))
        return FALSE;
      remove_if_empty (library, images->pdata[i]);
    }
  remove_empty_departments (library);
  return images && chunk_staging_sweep (image_library_store (library), &staged, error);
}
