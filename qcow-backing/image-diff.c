// SPDX-License-Identifier: GPL-2.0-or-later
// How two versions differ, from their indexes alone.

#include "image-diff.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "chunk-set.h"

typedef struct
{
  ChunkStore *store;
  ChunkSet *known; // what who has the first need not fetch, or has counted already
  ImageDiff *diff;
} Comparison;

/* Count chunk ID to CHUNKS and BYTES where it is new.  */
static void
count (Comparison *comparison, const ChunkId *id, guint64 *chunks, guint64 *bytes)
{
  char file[CHUNK_FILE_SIZE];
  struct stat status;

  if (chunk_set_has (comparison->known, id))
    return;
  chunk_set_add (comparison->known, id);
  ++*chunks;
  chunk_store_file (id, file);
  if (fstatat (chunk_store_fd (comparison->store), file, &status, AT_SYMLINK_NOFOLLOW) == 0)
    *bytes += (guint64)status.st_size;
  else
    comparison->diff->absent_chunks++;
}

static void
compare_chunk (Comparison *comparison, const Index *from, const Index *to, gsize i)
{
  ImageDiff *diff = comparison->diff;

  if (i >= index_n_chunks (to))
    {
      diff->changed_bytes += index_chunk_size (from, i);
      return;
    }
  if (i < index_n_chunks (from)
      && chunk_id_equal (index_chunk_id (from, i), index_chunk_id (to, i)))
    return;
  diff->changed_bytes += index_chunk_size (to, i);
  if (index_chunk_is_zero (to, i))
    diff->zeroed_bytes += index_chunk_size (to, i);
  else
    count (comparison, index_chunk_id (to, i), &diff->new_chunks, &diff->new_bytes);
}

void
image_diff_measure (ChunkStore *store, const ImageVersion *from, const ImageVersion *to,
                    ImageDiff *diff)
{
  g_autoptr (ChunkSet) known = chunk_set_new ();
  Comparison comparison = { store, known, diff };
  const GArray *old = from->record->index_chunks, *new = to->record->index_chunks;

  *diff = (ImageDiff){ 0 };
  for (gsize i = 0; i < index_n_chunks (from->index); i++)
    chunk_set_add (known, index_chunk_id (from->index, i));
  for (guint i = 0; i < old->len; i++)
    chunk_set_add (known, &g_array_index (old, ChunkId, i));
  for (gsize i = 0; i < MAX (index_n_chunks (from->index), index_n_chunks (to->index)); i++)
    compare_chunk (&comparison, from->index, to->index, i);
  for (guint i = 0; i < new->len; i++)
    count (&comparison, &g_array_index (new, ChunkId, i), &diff->index_chunks, &diff->index_bytes);
}
