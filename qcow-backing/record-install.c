// SPDX-License-Identifier: GPL-2.0-or-later
// Records that another host sent: believed for their signature alone, and taken only forward.

#include "record-install.h"

#include <string.h>
#include <sys/stat.h>

#include "fail.h"
#include "file-write.h"
#include "record-file.h"

/* The text that SIGNED_TEXT signs.  */
static char *
verify (const ImageLibrary *library, GBytes *signed_text, gsize *size, GError **error)
{
  gsize signed_size;
  const char *data = g_bytes_get_data (signed_text, &signed_size);

  return signature_verify (image_library_public_key (library), data, signed_size, size, error);
}

VersionRecord *
record_install_read_version (const ImageLibrary *library, const char *image, guint version,
                             GBytes *signed_text, GError **error)
{
  gsize size;
  g_autofree char *text = verify (library, signed_text, &size, error);
  g_autoptr (VersionRecord) record = text ? version_record_from_json (text, size, error) : NULL;

  if (record && (!g_str_equal (record->image, image) || record->version != version))
    {
      fail (error, "it is the record of %s@%u", record->image, record->version);
      return NULL;
    }
  return g_steal_pointer (&record);
}

ChannelRecord *
record_install_read_channels (const ImageLibrary *library, const char *image, GBytes *signed_text,
                              GError **error)
{
  gsize size;
  g_autofree char *text = verify (library, signed_text, &size, error);
  g_autoptr (ChannelRecord) record = text ? channel_record_from_json (text, size, error) : NULL;

  if (record && !g_str_equal (record->image, image))
    {
      fail (error, "it is the record of %s", record->image);
      return NULL;
    }
  return g_steal_pointer (&record);
}

gboolean
record_install_has_version (const ImageLibrary *library, const char *image, guint version)
{
  g_autofree char *path = image_library_version_path (library, image, version, ".caibx");
  g_autoptr (VersionRecord) record = image_library_load_record (library, image, version, NULL);
  struct stat status;

  return record && stat (path, &status) == 0 && (guint64)status.st_size == record->index_size;
}

/* The index that RECORD names, from the store's chunks.  */
static GBytes *
assemble_index (const ImageLibrary *library, const VersionRecord *record, GError **error)
{
  g_autofree guint8 *data = g_malloc (record->index_size);

  for (guint i = 0; i < record->index_chunks->len; i++)
    {
      guint64 start = (guint64)i * CHUNK_SIZE;
      if (!chunk_store_read (image_library_store (library),
                             &g_array_index (record->index_chunks, ChunkId, i), CHUNK_READ_HASH,
                             data + start, (gsize)MIN (CHUNK_SIZE, record->index_size - start),
                             error))
        return NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&data), record->index_size);
}

/* Whether BYTES are the index that RECORD names.  */
static gboolean
check_index (const VersionRecord *record, GBytes *bytes, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  ChunkId sha256 = chunk_id_of (data, size);
  g_autoptr (Index) index = index_new_from_bytes (bytes, error);

  if (!index)
    return FALSE;
  return (chunk_id_equal (&sha256, &record->index_sha256)
          && index_virtual_size (index) == record->virtual_size)
         || fail (error, "its chunks do not make the index that it names");
}

gboolean
record_install_version (const ImageLibrary *library, const VersionRecord *record,
                        GBytes *signed_text, GError **error)
{
  g_autofree char *path =
      image_library_version_path (library, record->image, record->version, ".json");
  g_autofree char *index_path =
      image_library_version_path (library, record->image, record->version, ".caibx");
  g_autoptr (GBytes) index = assemble_index (library, record, error);

  if (!index || !check_index (record, index, error))
    {
      g_prefix_error (error, "%s@%u: ", record->image, record->version);
      return FALSE;
    }
  return file_write_durably (index_path, g_bytes_get_data (index, NULL), g_bytes_get_size (index),
                             0640, error)
         && record_file_install (path, signed_text, image_library_public_key (library), error);
}

gboolean
record_install_channels (const ImageLibrary *library, const ChannelRecord *record,
                         GBytes *signed_text, GError **error)
{
  g_autofree char *path = image_library_path (library, record->image, "channels.json");
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ChannelRecord) present =
      image_library_load_channels (library, record->image, &local_error);

  // One whose bytes are wrong says nothing any more; one that cannot be read now may be newer.
  if (local_error && g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_FAILED))
    g_message ("%s; it is replaced", local_error->message);
  else if (local_error)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (present && record->serial <= present->serial)
    return fail_code (error, G_IO_ERROR_EXISTS,
                      "%s: a channel record with serial %" G_GUINT64_FORMAT
                      " is refused, since this host has one with %" G_GUINT64_FORMAT,
                      record->image, record->serial, present->serial);
  return record_file_install (path, signed_text, image_library_public_key (library), error);
}
