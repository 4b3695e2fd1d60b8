// SPDX-License-Identifier: GPL-2.0-or-later
// The images of this host: which versions there are, and what their signed records say.

#include "image-library.h"

#include <fcntl.h>
#include <string.h>

#include "fail.h"
#include "file-lock.h"
#include "host-name.h"
#include "image-name.h"
#include "record-file.h"
#include "site.h"

#define RECORD_SUFFIX ".json.sig"

struct ImageLibrary
{
  char *images_path;
  ChunkStore *store;
  PublicKey *key;
  Origin *origin;
  char *host;
};

ImageLibrary *
image_library_open (const Config *config, GError **error)
{
  g_autoptr (ImageLibrary) library = g_new0 (ImageLibrary, 1);
  g_autofree char *store_path = config_state_path (config, "store.castr", NULL);

  library->images_path = config_state_path (config, "images", NULL);
  library->key = site_load_public_key (config, error);
  library->origin = library->key ? origin_load (config, error) : NULL;
  library->store = library->origin ? chunk_store_open (store_path, error) : NULL;
  if (!library->store)
    return NULL;
  library->host = host_name_own (config);
  return g_steal_pointer (&library);
}

void
image_library_free (ImageLibrary *library)
{
  if (!library)
    return;
  g_free (library->images_path);
  chunk_store_free (library->store);
  public_key_free (library->key);
  origin_free (library->origin);
  g_free (library->host);
  g_free (library);
}

ChunkStore *
image_library_store (const ImageLibrary *library)
{
  return library->store;
}

const PublicKey *
image_library_public_key (const ImageLibrary *library)
{
  return library->key;
}

const Origin *
image_library_origin (const ImageLibrary *library)
{
  return library->origin;
}

const char *
image_library_host (const ImageLibrary *library)
{
  return library->host;
}

char *
image_library_path (const ImageLibrary *library, const char *image, const char *name)
{
  return g_build_filename (library->images_path, image, name, NULL);
}

char *
image_library_version_path (const ImageLibrary *library, const char *image, guint version,
                            const char *suffix)
{
  return g_strdup_printf ("%s/%s/%u%s", library->images_path, image, version, suffix);
}

int
image_library_lock (const ImageLibrary *library, const char *image, gboolean wait, GError **error)
{
  g_autofree char *directory = image_library_path (library, image, NULL);
  g_autofree char *path = image_library_path (library, image, IMAGE_LOCK);

  if (g_mkdir_with_parents (directory, 0750) < 0)
    {
      fail_errno (error, "make %s", directory);
      return -1;
    }
  return file_lock (AT_FDCWD, path, wait ? LOCK_EX : LOCK_EX | LOCK_NB,
                    "another publish of this image", error);
}

/* Add DEPARTMENT/NAME for each image of DEPARTMENT to IMAGES.  */
static gboolean
list_department (const ImageLibrary *library, const char *department, GPtrArray *images,
                 GError **error)
{
  g_autofree char *path = g_build_filename (library->images_path, department, NULL);
  const char *name;

  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return TRUE;
  g_autoptr (GDir) directory = g_dir_open (path, 0, error);
  while (directory && (name = g_dir_read_name (directory)))
    {
      g_autofree char *image = g_strconcat (department, "/", name, NULL);
      if (image_name_check (image, NULL))
        g_ptr_array_add (images, g_steal_pointer (&image));
    }
  return directory != NULL;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
image_library_images (const ImageLibrary *library, GError **error)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) directory = g_dir_open (library->images_path, 0, error);
  const char *department;

  if (!directory)
    return NULL;
  while ((department = g_dir_read_name (directory)))
    if (!list_department (library, department, images, error))
      return NULL;
  g_ptr_array_sort (images, compare_names);
  return g_steal_pointer (&images);
}

static int
compare_uint (gconstpointer a, gconstpointer b)
{
  guint x = *(const guint *)a, y = *(const guint *)b;

  return (x > y) - (x < y);
}

GArray *
image_library_versions (const ImageLibrary *library, const char *image, GError **error)
{
  g_autoptr (GArray) versions = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autofree char *path = image_library_path (library, image, NULL);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) directory = g_dir_open (path, 0, &local_error);
  const char *name;

  if (!directory && !g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  while (directory && (name = g_dir_read_name (directory)))
    {
      guint version;
      g_autofree char *number = NULL;
      if (!g_str_has_suffix (name, RECORD_SUFFIX))
        continue;
      number = g_strndup (name, strlen (name) - strlen (RECORD_SUFFIX));
      if (version_parse (number, &version, NULL))
        g_array_append_val (versions, version);
    }
  g_array_sort (versions, compare_uint);
  return g_steal_pointer (&versions);
}

gboolean
image_library_fail_missing (const char *image, guint version, GError **error)
{
  if (version)
    return fail_code (error, G_IO_ERROR_NOT_FOUND,
                      "%s@%u is not on this host: `gild images` lists what is", image, version);
  return fail_code (error, G_IO_ERROR_NOT_FOUND,
                    "there is no image %s on this host: `gild images` lists what is", image);
}

VersionRecord *
image_library_load_record (const ImageLibrary *library, const char *image, guint version,
                           GError **error)
{
  g_autofree char *path = image_library_version_path (library, image, version, ".json");
  g_autoptr (GError) local_error = NULL;
  gsize size;
  g_autofree char *text = record_file_read (path, library->key, &size, &local_error);

  if (!text)
    {
      if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        image_library_fail_missing (image, version, error);
      else
        g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  g_autoptr (VersionRecord) record = version_record_from_json (text, size, error);
  if (!record)
    {
      g_prefix_error (error, "%s: ", path);
      return NULL;
    }
  if (!g_str_equal (record->image, image) || record->version != version)
    {
      fail (error, "%s: it is the record of %s@%u", path, record->image, record->version);
      return NULL;
    }
  return g_steal_pointer (&record);
}

/* Whether INDEX is what RECORD says it is.  */
static gboolean
check_index (const Index *index, const VersionRecord *record, GError **error)
{
  gsize size;
  const guint8 *data = index_data (index, &size);
  ChunkId sha256 = chunk_id_of (data, size);

  if (size != record->index_size || !chunk_id_equal (&sha256, &record->index_sha256))
    return fail (error,
                 "it is not the index that the version's record names; it was changed or damaged");
  if (index_virtual_size (index) != record->virtual_size)
    return fail (error, "its size is not the one that the version's record says");
  return TRUE;
}

ImageVersion *
image_library_load (const ImageLibrary *library, const char *image, guint version, GError **error)
{
  g_autofree char *path = image_library_version_path (library, image, version, ".caibx");
  g_autoptr (VersionRecord) record = image_library_load_record (library, image, version, error);
  g_autoptr (Index) index = record ? index_open (path, error) : NULL;

  if (!index)
    return NULL;
  if (!check_index (index, record, error))
    {
      g_prefix_error (error, "%s: ", path);
      return NULL;
    }
  ImageVersion *loaded = g_new (ImageVersion, 1);
  loaded->record = g_steal_pointer (&record);
  loaded->index = g_steal_pointer (&index);
  return loaded;
}

void
image_version_free (ImageVersion *version)
{
  if (!version)
    return;
  version_record_free (version->record);
  index_unref (version->index);
  g_free (version);
}

ChannelRecord *
image_library_load_channels (const ImageLibrary *library, const char *image, GError **error)
{
  g_autofree char *path = image_library_path (library, image, "channels.json");
  g_autoptr (GError) local_error = NULL;
  gsize size;
  g_autofree char *text = record_file_read (path, library->key, &size, &local_error);

  if (!text)
    {
      if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  g_autoptr (ChannelRecord) record = channel_record_from_json (text, size, error);
  if (!record)
    {
      g_prefix_error (error, "%s: ", path);
      return NULL;
    }
  if (!g_str_equal (record->image, image))
    {
      fail (error, "%s: it is the record of %s", path, record->image);
      return NULL;
    }
  return g_steal_pointer (&record);
}

gboolean
image_library_resolve (const ImageLibrary *library, const char *image, const char *channel,
                       guint *version, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ChannelRecord) record = image_library_load_channels (library, image, &local_error);

  if (local_error)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (!record)
    return image_library_fail_missing (image, 0, error);
  *version = channel_record_resolve (record, channel, library->host);
  if (*version)
    return TRUE;
  g_autofree char **names = (char **)g_hash_table_get_keys_as_array (record->channels, NULL);
  g_autofree char *joined = g_strjoinv (", ", names);
  return fail_code (error, G_IO_ERROR_NOT_FOUND, "image %s has no channel %s; it has: %s", image,
                    channel, joined);
}
