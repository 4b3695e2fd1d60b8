// SPDX-License-Identifier: GPL-2.0-or-later
// The versions that are being served: opened and verified once, shared by all who read them.

#include "served-version.h"

#include <string.h>

#include "fail.h"
#include "hashed-chunks.h"
#include "image-library.h"
#include "image-name.h"

#define READ_AHEAD_QUEUE_MAX 4 // more than that would come too late

struct ServedVersions
{
  Config *config;
  ChunkCache *cache;
  HashedChunks *hashed;
  DamagedChunkFunc on_damage; // may be NULL
  gpointer on_damage_data;
  MissingChunkFunc on_missing; // may be NULL
  gpointer on_missing_data;
  GMutex lock;             // guards what follows, and users of each version
  GHashTable *open;        // ref, owned by the value -> ServedVersion
  GThreadPool *read_ahead; // of ReadAhead *; one thread, from the first open on
};

struct ServedVersion
{
  ServedVersions *versions;
  char *ref;
  guint users;
  ImageLibrary *library;
  ImageVersion *image;
};

ServedVersions *
served_versions_new (Config *config, GError **error)
{
  ServedVersions *versions = g_new0 (ServedVersions, 1);

  versions->config = config;
  g_mutex_init (&versions->lock);
  versions->open = g_hash_table_new (g_str_hash, g_str_equal);
  versions->hashed = hashed_chunks_new ();
  versions->cache = chunk_cache_new (config->cache_size_bytes, error);
  if (!versions->cache)
    g_clear_pointer (&versions, served_versions_free);
  return versions;
}

void
served_versions_free (ServedVersions *versions)
{
  if (!versions)
    return;
  if (versions->read_ahead)
    g_thread_pool_free (versions->read_ahead, TRUE, TRUE);
  g_hash_table_unref (versions->open);
  chunk_cache_free (versions->cache);
  hashed_chunks_free (versions->hashed);
  g_mutex_clear (&versions->lock);
  config_free (versions->config);
  g_free (versions);
}

void
served_versions_on_damage (ServedVersions *versions, DamagedChunkFunc func, gpointer data)
{
  versions->on_damage = func;
  versions->on_damage_data = data;
}

void
served_versions_on_missing (ServedVersions *versions, MissingChunkFunc func, gpointer data)
{
  versions->on_missing = func;
  versions->on_missing_data = data;
}

GPtrArray *
served_versions_list (ServedVersions *versions, GError **error)
{
  g_autoptr (ImageLibrary) library = image_library_open (versions->config, error);
  g_autoptr (GPtrArray) images = library ? image_library_images (library, error) : NULL;
  g_autoptr (GPtrArray) refs = g_ptr_array_new_with_free_func (g_free);

  if (!images)
    return NULL;
  for (guint i = 0; i < images->len; i++)
    {
      const char *image = images->pdata[i];
      g_autoptr (GArray) numbers = image_library_versions (library, image, error);
      if (!numbers)
        return NULL;
      for (guint j = 0; j < numbers->len; j++)
        g_ptr_array_add (refs, g_strdup_printf ("%s@%u", image, g_array_index (numbers, guint, j)));
    }
  return g_steal_pointer (&refs);
}

/* A chunk to be loaded before it is asked for.  */
typedef struct
{
  ServedVersion *version; // that it keeps open
  gsize i;
} ReadAhead;

static void load_ahead (gpointer data, gpointer unused);

static void
served_version_free (ServedVersion *version)
{
  image_version_free (version->image);
  image_library_free (version->library);
  g_free (version->ref);
  g_free (version);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ServedVersion, served_version_free)

/* The library is opened with each version and not once, so that site and key may come, or come
   anew, while this runs.  */
static ServedVersion *
served_version_load (ServedVersions *versions, const char *ref, GError **error)
{
  g_autoptr (ServedVersion) version = g_new0 (ServedVersion, 1);
  g_autofree char *name = NULL;
  guint number;

  if (!image_ref_parse (ref, &name, &number, error))
    return NULL;
  if (number == 0)
    {
      fail (error, "'%s' names no version: ask for %s@VERSION", ref, name);
      return NULL;
    }
  version->versions = versions;
  version->ref = g_strdup (ref);
  version->library = image_library_open (versions->config, error);
  if (!version->library)
    return NULL;
  version->image = image_library_load (version->library, name, number, error);
  return version->image ? g_steal_pointer (&version) : NULL;
}

ServedVersion *
served_version_open (ServedVersions *versions, const char *ref, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&versions->lock);
  ServedVersion *version = g_hash_table_lookup (versions->open, ref);

  if (!version)
    {
      version = served_version_load (versions, ref, error);
      if (!version)
        return NULL;
      g_hash_table_insert (versions->open, version->ref, version);
    }
  if (!versions->read_ahead) // not earlier: nbdkit may fork before
    versions->read_ahead = g_thread_pool_new (load_ahead, NULL, 1, TRUE, NULL);
  version->users++;
  return version;
}

void
served_version_close (ServedVersion *version)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&version->versions->lock);

  if (--version->users > 0)
    return;
  g_hash_table_remove (version->versions->open, version->ref);
  served_version_free (version);
}

guint64
served_version_size (const ServedVersion *version)
{
  return index_virtual_size (version->image->index);
}

const char *
served_version_note (const ServedVersion *version)
{
  return version->image->record->note;
}

/* The chunk at a place of a version.  */
typedef struct
{
  ServedVersion *version;
  gsize i;
} Place;

static gboolean
read_from_store (ServedVersion *version, const ChunkId *id, guint8 *buffer, gsize size,
                 GError **error)
{
  HashedChunks *hashed = version->versions->hashed;
  gboolean is_hashed = hashed_chunks_contains (hashed, id);

  if (!chunk_store_read (image_library_store (version->library), id,
                         is_hashed ? CHUNK_READ_TRUST_CHECKSUM : CHUNK_READ_HASH, buffer, size,
                         error))
    return FALSE;
  if (!is_hashed)
    hashed_chunks_add (hashed, id);
  return TRUE;
}

/* The chunk at PLACE is missing, or damaged, as CAUSE says: wait for it, and read it.  */
static gboolean
wait_for_chunk (const Place *place, const ChunkId *id, guint8 *buffer, gsize size, GError **cause)
{
  ServedVersions *versions = place->version->versions;
  gboolean is_damaged = g_error_matches (*cause, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_DAMAGED);
  g_autoptr (GError) why = NULL;

  if (!versions->on_missing
      || (!is_damaged && !g_error_matches (*cause, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_MISSING)))
    return FALSE;
  if (versions->on_missing (id, place->version->ref, place->i, is_damaged,
                            versions->on_missing_data, &why))
    {
      g_clear_error (cause);
      return read_from_store (place->version, id, buffer, size, cause);
    }
  g_autoptr (GError) lacking = g_steal_pointer (cause);
  return fail_as (cause, CHUNK_STORE_ERROR, lacking->code, "%s, and cannot be fetched: %s",
                  lacking->message, why->message);
}

/* The one place where chunks come from.  */
static gboolean
load_chunk (const ChunkId *id, guint8 *buffer, gsize size, gpointer data, GError **error)
{
  const Place *place = data;
  ServedVersions *versions = place->version->versions;
  GError *cause = NULL;

  if (read_from_store (place->version, id, buffer, size, &cause)
      || wait_for_chunk (place, id, buffer, size, &cause))
    return TRUE;
  if (versions->on_damage && g_error_matches (cause, CHUNK_STORE_ERROR, CHUNK_STORE_ERROR_DAMAGED))
    versions->on_damage (id, versions->on_damage_data);
  g_propagate_error (error, cause);
  return FALSE;
}

/* Say where what ERROR tells of stopped a read.  */
static gboolean
fail_at_chunk (const ServedVersion *version, gsize i, GError **error)
{
  g_autofree char *cause = g_strdup (error && *error ? (*error)->message : "");

  g_clear_error (error);
  return fail (error,
               "%s: cannot read at offset %" G_GUINT64_FORMAT
               ": %s; `gild verify --repair` mends what can be mended",
               version->ref, (guint64)i * CHUNK_SIZE, cause);
}

/* Chunk I, which is not zero, until chunk_cache_release.  */
static const guint8 *
get_chunk (ServedVersion *version, gsize i, GError **error)
{
  const Index *index = version->image->index;
  Place place = { version, i };

  return chunk_cache_get (version->versions->cache, index_chunk_id (index, i),
                          index_chunk_size (index, i), load_chunk, &place, error);
}

/* COUNT bytes at FROM of chunk I.  Who reads a whole chunk has it, and reading a disk from end to
   end would drive out what others read in pieces: such a chunk comes into the cache only while
   there is room.  */
static gboolean
read_from_chunk (ServedVersion *version, gsize i, gsize from, gsize count, guint8 *buffer,
                 GError **error)
{
  ChunkCache *cache = version->versions->cache;
  const ChunkId *id = index_chunk_id (version->image->index, i);
  gsize size = index_chunk_size (version->image->index, i);
  Place place = { version, i };

  if (count == size && !chunk_cache_has (cache, id) && !chunk_cache_has_room (cache, id))
    return load_chunk (id, buffer, size, &place, error);
  const guint8 *bytes = get_chunk (version, i, error);
  if (!bytes)
    return FALSE;
  memcpy (buffer, bytes + from, count);
  chunk_cache_release (cache, bytes);
  return TRUE;
}

gboolean
served_version_read (ServedVersion *version, guint64 offset, gsize count, guint8 *buffer,
                     GError **error)
{
  const Index *index = version->image->index;

  for (gsize done = 0, part; done < count; done += part)
    {
      gsize i = (offset + done) / CHUNK_SIZE, from = (offset + done) % CHUNK_SIZE;

      part = MIN (count - done, index_chunk_size (index, i) - from);
      if (index_chunk_is_zero (index, i))
        memset (buffer + done, 0, part);
      else if (!read_from_chunk (version, i, from, part, buffer + done, error))
        return fail_at_chunk (version, i, error);
    }
  return TRUE;
}

gboolean
served_version_prefetch (ServedVersion *version, guint64 offset, guint64 count, GError **error)
{
  for (gsize i = offset / CHUNK_SIZE; i * CHUNK_SIZE < offset + count; i++)
    {
      if (index_chunk_is_zero (version->image->index, i))
        continue;
      const guint8 *bytes = get_chunk (version, i, error);
      if (!bytes)
        return fail_at_chunk (version, i, error);
      chunk_cache_release (version->versions->cache, bytes);
    }
  return TRUE;
}

static void
load_ahead (gpointer data, gpointer unused)
{
  g_autofree ReadAhead *read_ahead = data;
  ServedVersion *version = read_ahead->version;
  // Who asks for the chunk gets the error.
  const guint8 *bytes = get_chunk (version, read_ahead->i, NULL);

  if (bytes)
    chunk_cache_release (version->versions->cache, bytes);
  served_version_close (version);
}

void
served_version_read_ahead (ServedVersion *version, guint64 offset)
{
  ServedVersions *versions = version->versions;
  const Index *index = version->image->index;
  gsize i = (offset + CHUNK_SIZE - 1) / CHUNK_SIZE;

  if (i >= index_n_chunks (index) || index_chunk_is_zero (index, i)
      || chunk_cache_has (versions->cache, index_chunk_id (index, i))
      || g_thread_pool_unprocessed (versions->read_ahead) >= READ_AHEAD_QUEUE_MAX)
    return;
  ReadAhead *read_ahead = g_new (ReadAhead, 1);
  *read_ahead = (ReadAhead){ .version = version, .i = i };
  g_mutex_lock (&versions->lock);
  version->users++;
  g_mutex_unlock (&versions->lock);
  g_thread_pool_push (versions->read_ahead, read_ahead, NULL);
}

guint64
served_version_extent (const ServedVersion *version, guint64 offset, guint64 end, gboolean *is_zero)
{
  gsize i = offset / CHUNK_SIZE;

  *is_zero = index_chunk_is_zero (version->image->index, i);
  do
    i++;
  while (i * CHUNK_SIZE < end && index_chunk_is_zero (version->image->index, i) == *is_zero);
  return MIN (i * CHUNK_SIZE, end);
}
