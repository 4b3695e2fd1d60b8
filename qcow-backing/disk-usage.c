// SPDX-License-Identifier: GPL-2.0-or-later
// What versions and images cost the store: the chunks that nobody else has.

#include "disk-usage.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "chunk-set.h"

/* In place of a number, of what several have.  */
#define SEVERAL G_MAXUINT32

/* Who has a chunk: numbers in DiskUsages.entries, of a version and of an image.  */
typedef struct
{
  guint32 version, image;
} Owner;

typedef struct
{
  const ImageLibrary *library;
  GPtrArray *entries; // DiskUsage *
  ChunkSet *chunks;
  GArray *owners; // Owner, by position in CHUNKS
} DiskUsages;

static void
disk_usage_free (gpointer data)
{
  DiskUsage *usage = data;

  g_free (usage->image);
  g_free (usage);
}

static guint32
add_entry (DiskUsages *usages, const char *image, guint version)
{
  DiskUsage *usage = g_new0 (DiskUsage, 1);

  *usage = (DiskUsage){ g_strdup (image), version, 0 };
  g_ptr_array_add (usages->entries, usage);
  return usages->entries->len - 1;
}

static void
add_chunk (DiskUsages *usages, const ChunkId *id, const Owner *who)
{
  guint32 position = chunk_set_add (usages->chunks, id);

  if (position == usages->owners->len)
    {
      g_array_append_val (usages->owners, *who);
      return;
    }
  Owner *owner = &g_array_index (usages->owners, Owner, position);
  if (owner->version != who->version)
    owner->version = SEVERAL;
  if (owner->image != who->image)
    owner->image = SEVERAL;
}

static gboolean
add_version (DiskUsages *usages, const char *image, guint number, const Owner *who, GError **error)
{
  g_autoptr (ImageVersion) version = image_library_load (usages->library, image, number, error);

  if (!version)
    return FALSE;
  for (gsize i = 0; i < index_n_chunks (version->index); i++)
    add_chunk (usages, index_chunk_id (version->index, i), who); // also zeros: the store has them
  for (guint i = 0; i < version->record->index_chunks->len; i++)
    add_chunk (usages, &g_array_index (version->record->index_chunks, ChunkId, i), who);
  return TRUE;
}

static gboolean
add_image (DiskUsages *usages, const char *image, GError **error)
{
  g_autoptr (GArray) versions = image_library_versions (usages->library, image, error);

  // The versions' entries, and the image's behind them.
  for (guint i = 0; versions && i < versions->len; i++)
    {
      guint version = g_array_index (versions, guint, i);
      guint32 entry = add_entry (usages, image, version);
      const Owner who = { entry, entry + versions->len - i };
      if (!add_version (usages, image, version, &who, error))
        return FALSE;
    }
  if (versions && versions->len > 0)
    add_entry (usages, image, 0);
  return versions != NULL;
}

static void
charge (DiskUsages *usages, guint32 entry, guint64 bytes)
{
  if (entry != SEVERAL)
    ((DiskUsage *)usages->entries->pdata[entry])->alone_bytes += bytes;
}

/* Charge each chunk to whom it belongs alone.  */
static void
charge_all (DiskUsages *usages)
{
  int store_fd = chunk_store_fd (image_library_store (usages->library));

  for (guint32 i = 0; i < usages->owners->len; i++)
    {
      const Owner *owner = &g_array_index (usages->owners, Owner, i);
      char file[CHUNK_FILE_SIZE];
      struct stat status;
      if (owner->image == SEVERAL)
        continue;
      chunk_store_file (chunk_set_get (usages->chunks, i), file);
      if (fstatat (store_fd, file, &status, AT_SYMLINK_NOFOLLOW) < 0)
        continue; // it has yet to be fetched
      charge (usages, owner->version, (guint64)status.st_blocks * 512);
      charge (usages, owner->image, (guint64)status.st_blocks * 512);
    }
}

GPtrArray *
disk_usage_measure (const ImageLibrary *library, GError **error)
{
  g_autoptr (GPtrArray) images = image_library_images (library, error);
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (disk_usage_free);
  g_autoptr (ChunkSet) chunks = chunk_set_new ();
  g_autoptr (GArray) owners = g_array_new (FALSE, FALSE, sizeof (Owner));
  DiskUsages usages = { library, entries, chunks, owners };

  for (guint i = 0; images && i < images->len; i++)
    if (!add_image (&usages, images->pdata[i], error))
      return NULL;
  if (!images)
    return NULL;
  charge_all (&usages);
  return g_steal_pointer (&entries);
}
