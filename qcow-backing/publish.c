// SPDX-License-Identifier: GPL-2.0-or-later
// Publishing: a disk becomes the next version of an image, as a whole or as what an edit changed.
//
// The order of writing is what makes a crash harmless: chunks, then the index, then the version's
// record, then the channel's record, each durable before the next.  Locks, in this order: the
// store's (shared, against gc), the image's (exclusive, against another publish of it).

#include "publish.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "boot-profile-file.h"
#include "channel-change.h"
#include "fail.h"
#include "file-write.h"
#include "image-name.h"
#include "ingest.h"
#include "record-file.h"
#include "utc-date.h"

gboolean
publish_check (const PublishOptions *options, GError **error)
{
  const ChannelChange change = { options->channel, 0, options->action, options->by, options->note };

  return image_name_check (options->image, error) && channel_change_check (&change, error);
}

/* One more than any version that there is or that a channel names: numbers are not given twice.  */
static gboolean
next_version (const ImageLibrary *library, const ChannelRecord *channels, guint *version,
              GError **error)
{
  g_autoptr (GArray) versions = image_library_versions (library, channels->image, error);
  guint last = channel_record_last_version (channels);

  if (!versions)
    return FALSE;
  if (versions->len)
    last = MAX (last, g_array_index (versions, guint, versions->len - 1));
  *version = last + 1;
  return *version <= VERSION_MAX
         || fail (error, "%s has all the versions it can have", channels->image);
}

/* Stage the chunks of the index file, and note them in RECORD.  */
static gboolean
stage_index (ChunkStaging *staging, GBytes *index, VersionRecord *record, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (index, &size);

  record->index_size = size;
  record->index_sha256 = chunk_id_of (data, size);
  for (gsize start = 0; start < size; start += CHUNK_SIZE)
    {
      gsize length = MIN (CHUNK_SIZE, size - start);
      ChunkId id = chunk_id_of (data + start, length);
      g_array_append_val (record->index_chunks, id);
      if (!chunk_staging_add (staging, &id, data + start, length, error))
        return FALSE;
    }
  return TRUE;
}

/* gild never reads a chunk of zeros, but casync and desync need it to extract.  Two at most: a full
   one, and the disk's last.  */
static gboolean
stage_zeros (ChunkStaging *staging, const Index *index, GError **error)
{
  static const guint8 ZEROS[CHUNK_SIZE];
  gsize n = index_n_chunks (index);

  for (gsize i = 0; i < n; i++)
    if (index_chunk_is_zero (index, i))
      {
        if (!chunk_staging_add (staging, index_chunk_id (index, i), ZEROS,
                                index_chunk_size (index, i), error))
          return FALSE;
        if (n >= 2 && i < n - 2)
          i = n - 2; // on to the last one
      }
  return TRUE;
}

/* The version that was edited, which gc leaves alone as long as it is loaded.  NULL without an
   error: the disk is whole.  */
static ImageVersion *
load_edited (const ImageLibrary *library, const PublishOptions *options, guint64 size,
             GError **error)
{
  g_autoptr (ImageVersion) edited = NULL;

  if (options->edited)
    edited =
        image_library_load (library, options->edited_image ? options->edited_image : options->image,
                            options->edited, error);
  if (edited && size < index_virtual_size (edited->index))
    {
      fail (
          error,
          "the disk has shrunk from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
          " bytes, and its end may be in use: shrink a copy (`gild export`) and publish that with `gild publish`",
          index_virtual_size (edited->index), size);
      return NULL;
    }
  return g_steal_pointer (&edited);
}

/* The ids of SOURCE, read into STAGING.  */
static ChunkId *
read_disk (ImageLibrary *library, NbdSource *source, const ImageVersion *edited,
           ChunkStaging *staging, const Progress *progress, GError **error)
{
  const IngestBelow below = { edited ? edited->index : NULL, image_library_store (library) };
  GError *local_error = NULL;
  ChunkId *ids = ingest_disk (source, edited ? &below : NULL, staging, progress, &local_error);

  if (g_error_matches (local_error, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_MISSING))
    fail (error, "%s@%u is not whole on this host: `gild fetch %s@%u` gets the rest; %s",
          edited->record->image, edited->record->version, edited->record->image,
          edited->record->version, local_error->message);
  else if (local_error)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  g_clear_error (&local_error);
  return ids;
}

/* Whether IDS, of a disk of SIZE bytes, are those of EDITED.  */
static gboolean
is_unchanged (const ImageVersion *edited, const ChunkId *ids, guint64 size)
{
  if (!edited || size != index_virtual_size (edited->index))
    return FALSE;
  for (gsize i = 0; i < index_n_chunks (edited->index); i++)
    if (!chunk_id_equal (&ids[i], index_chunk_id (edited->index, i)))
      return FALSE;
  return TRUE;
}

/* Stage INDEX, which is of IDS, and make all that is staged the store's.  */
static GBytes *
store_index (ChunkStaging *staging, guint64 size, const ChunkId *ids, VersionRecord *record,
             GError **error)
{
  g_autoptr (GBytes) data = index_build (size, ids);
  g_autoptr (Index) index = index_new_from_bytes (data, error);

  if (!index || !stage_index (staging, data, record, error) || !stage_zeros (staging, index, error)
      || !chunk_staging_commit (staging, error))
    return NULL;
  record->data_size = index_data_bytes (index);
  return g_steal_pointer (&data);
}

/* Read SOURCE into the store and RECORD; the index's bytes in *INDEX, or NULL where an edit has
   changed nothing.  */
static gboolean
store_disk (ImageLibrary *library, NbdSource *source, const PublishOptions *options,
            VersionRecord *record, const Progress *progress, GBytes **index, PublishResult *result,
            GError **error)
{
  guint64 size = nbd_source_size (source);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ImageVersion) edited = load_edited (library, options, size, &local_error);
  g_autoptr (ChunkStaging) staging =
      local_error ? NULL : chunk_staging_new (image_library_store (library), &local_error);
  g_autofree ChunkId *ids =
      staging ? read_disk (library, source, edited, staging, progress, &local_error) : NULL;

  if (!ids)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  ChunkStagingStats stats = chunk_staging_stats (staging);
  record->virtual_size = result->virtual_size = size;
  record->new_size = result->new_size = stats.new_bytes;
  result->new_chunks = stats.new_chunks;
  result->stored_size = stats.stored_bytes;
  if (!options->edited_image && is_unchanged (edited, ids, size))
    return TRUE;
  *index = store_index (staging, size, ids, record, error);
  result->data_size = record->data_size;
  return *index != NULL;
}

static gboolean
write_version (const ImageLibrary *library, const SigningKey *key, const VersionRecord *record,
               GBytes *index, GError **error)
{
  g_autofree char *index_path =
      image_library_version_path (library, record->image, record->version, ".caibx");
  g_autofree char *path =
      image_library_version_path (library, record->image, record->version, ".json");
  g_autofree char *json = version_record_to_json (record);

  return file_write_durably (index_path, g_bytes_get_data (index, NULL), g_bytes_get_size (index),
                             0640, error)
         && record_file_write (path, json, key, error);
}

/* The channel names VERSION now.  */
static gboolean
write_channels (const ImageLibrary *library, const SigningKey *key, ChannelRecord *channels,
                const PublishOptions *options, guint version, GError **error)
{
  const ChannelChange change = { options->channel, version, options->action, options->by,
                                 options->note };

  return channel_change_apply (channels, &change, error)
         && channel_change_write (library, key, channels, error);
}

/* Before the version exists, when nobody adds to its profile yet.  */
static void
inherit_profile (const ImageLibrary *library, const VersionRecord *record, GBytes *data)
{
  g_autoptr (Index) index = record->parent ? index_new_from_bytes (data, NULL) : NULL;

  if (index)
    boot_profile_hand_down (library, record->image, record->parent, record->version, index);
}

/* See publish_check_edit.  */
static gboolean
check_edit (const ChannelRecord *channels, const PublishOptions *options, GError **error)
{
  guint named = channel_record_get (channels, options->channel);
  guint production = channel_record_get (channels, CHANNEL_DEFAULT);

  if (named != options->channel_named)
    return fail (
        error,
        "%s of %s names version %u by now, not %u, so somebody else has changed it meanwhile: edit that, or publish all the same with --force",
        options->channel, options->image, named, options->channel_named);
  return options->edited == named || options->edited == production
         || fail (
             error,
             "%s@%u is not in production any more, version %u is: edit that, or say --force if the newer changes are to be left out",
             options->image, options->edited, production);
}

gboolean
publish_note_channel (const ImageLibrary *library, PublishOptions *options, GError **error)
{
  g_autoptr (ChannelRecord) channels = channel_change_begin (library, options->image, error);

  if (channels)
    options->channel_named = channel_record_get (channels, options->channel);
  return channels != NULL;
}

gboolean
publish_check_edit (const ImageLibrary *library, const PublishOptions *options, GError **error)
{
  g_autoptr (ChannelRecord) channels = channel_change_begin (library, options->image, error);

  return channels
         && (options->force || options->edited_image || check_edit (channels, options, error));
}

static gboolean
publish_locked (ImageLibrary *library, const SigningKey *key, NbdSource *source,
                const PublishOptions *options, const Progress *progress, PublishResult *result,
                GError **error)
{
  g_autoptr (ChannelRecord) channels = channel_change_begin (library, options->image, error);
  g_autoptr (VersionRecord) record = version_record_new ();
  g_autoptr (GBytes) index = NULL;

  if (!channels || !next_version (library, channels, &record->version, error)
      || (options->edited && !options->edited_image && !options->force
          && !check_edit (channels, options, error)))
    return FALSE;
  record->image = g_strdup (options->image);
  record->parent = options->edited && !options->edited_image
                       ? options->edited
                       : channel_record_get (channels, options->channel);
  record->note = g_strdup (options->note);
  if (!store_disk (library, source, options, record, progress, &index, result, error))
    return FALSE;
  if (!index)
    return TRUE;
  record->created = utc_date (0);
  result->version = record->version;
  inherit_profile (library, record, index);
  return write_version (library, key, record, index, error)
         && write_channels (library, key, channels, options, record->version, error);
}

gboolean
publish_run (ImageLibrary *library, const SigningKey *key, NbdSource *source,
             const PublishOptions *options, const Progress *progress, PublishResult *result,
             GError **error)
{
  guint64 size = nbd_source_size (source);

  *result = (PublishResult){ 0 };
  if (!publish_check (options, error))
    return FALSE;
  if (size == 0 || size > INDEX_VIRTUAL_SIZE_MAX)
    return fail (error, "the disk has %" G_GUINT64_FORMAT " bytes; gild takes from 1 byte to 4 TiB",
                 size);
  int store_lock = chunk_store_lock (image_library_store (library), CHUNK_STORE_LOCK_ADD, error);
  int image_lock = store_lock < 0 ? -1 : image_library_lock (library, options->image, TRUE, error);
  gboolean ok =
      image_lock >= 0 && publish_locked (library, key, source, options, progress, result, error);
  if (image_lock >= 0)
    close (image_lock);
  if (store_lock >= 0)
    close (store_lock);
  return ok;
}
