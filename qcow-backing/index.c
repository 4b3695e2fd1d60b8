// SPDX-License-Identifier: GPL-2.0-or-later
// An index: the ordered chunk ids of one version, in casync's .caibx format.
//
// A header of 48 bytes, a table of 16 bytes, entries of 40 bytes each (where the chunk ends, its
// id), and a tail of 40 bytes.  Fixed chunks make where each ends known; a file that says otherwise
// is refused.

#include "index.h"

#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"

// casync, src/caformat.h
#define CA_FORMAT_INDEX             G_GUINT64_CONSTANT (0x96824d9c7b129ff9)
#define CA_FORMAT_TABLE             G_GUINT64_CONSTANT (0xe75b9e112f17417d)
#define CA_FORMAT_TABLE_TAIL_MARKER G_GUINT64_CONSTANT (0x4b4f050e5549ecd1)
#define CA_FORMAT_SHA512_256        G_GUINT64_CONSTANT (0x2000000000000000)
#define CA_FORMAT_WRITTEN           G_GUINT64_CONSTANT (0x9000000000000000) // as casync writes a blob's

typedef struct
{
  guint64 size, type, feature_flags, chunk_size_min, chunk_size_avg, chunk_size_max;
} Header;

typedef struct
{
  guint64 size, type;
} Table;

typedef struct
{
  guint64 end;
  ChunkId id;
} Entry;

typedef struct
{
  guint64 zero_fill_1, zero_fill_2, index_offset, table_size, marker;
} Tail;

G_STATIC_ASSERT (sizeof (Header) == 48);
G_STATIC_ASSERT (sizeof (Entry) == 40);
G_STATIC_ASSERT (sizeof (Tail) == 40);

struct Index
{
  gatomicrefcount references;
  int fd;        // holds the lock; -1 for an index in memory
  GBytes *bytes; // of an index in memory
  const guint8 *data;
  gsize size;
  const Entry *entries;
  gsize n_chunks;
  guint64 virtual_size;
  ChunkId zero, last_zero; // of a full chunk and of one as long as the last
};

static gboolean
check_header (const Index *index, GError **error)
{
  if (index->size < sizeof (Header) + sizeof (Table) + sizeof (Entry) + sizeof (Tail))
    return fail (error, "too short for an index");
  const Header *header = (const Header *)index->data;
  const Table *table = (const Table *)(header + 1);
  if (GUINT64_FROM_LE (header->size) != sizeof *header
      || GUINT64_FROM_LE (header->type) != CA_FORMAT_INDEX
      || GUINT64_FROM_LE (table->size) != G_MAXUINT64
      || GUINT64_FROM_LE (table->type) != CA_FORMAT_TABLE)
    return fail (error, "not a casync index");
  if (GUINT64_FROM_LE (header->feature_flags) & CA_FORMAT_SHA512_256)
    return fail (error, "its chunks are named by SHA-512/256; make it with --digest=sha256");
  if (GUINT64_FROM_LE (header->chunk_size_min) != CHUNK_SIZE
      || GUINT64_FROM_LE (header->chunk_size_avg) != CHUNK_SIZE
      || GUINT64_FROM_LE (header->chunk_size_max) != CHUNK_SIZE)
    return fail (error,
                 "its chunks are not of 64 KiB; make it with --chunk-size=65536:65536:65536");
  return TRUE;
}

static gboolean
check_tail (const Index *index, GError **error)
{
  gsize entries_size = index->size - sizeof (Header) - sizeof (Table) - sizeof (Tail);
  const Tail *tail = (const Tail *)(index->data + index->size - sizeof *tail);

  if (entries_size % sizeof (Entry) != 0 || tail->zero_fill_1 || tail->zero_fill_2
      || GUINT64_FROM_LE (tail->index_offset) != sizeof (Header)
      || GUINT64_FROM_LE (tail->table_size) != index->size - sizeof (Header)
      || GUINT64_FROM_LE (tail->marker) != CA_FORMAT_TABLE_TAIL_MARKER)
    return fail (error, "its end is not an index's end; it is cut short or damaged");
  return TRUE;
}

/* Check all of INDEX's bytes, and fill in what follows from them.  */
static gboolean
check (Index *index, GError **error)
{
  if (!check_header (index, error) || !check_tail (index, error))
    return FALSE;
  index->entries = (const Entry *)(index->data + sizeof (Header) + sizeof (Table));
  index->n_chunks =
      (index->size - sizeof (Header) - sizeof (Table) - sizeof (Tail)) / sizeof (Entry);
  if (index->n_chunks > INDEX_VIRTUAL_SIZE_MAX / CHUNK_SIZE)
    return fail (error, "it describes a disk that is too large");
  for (gsize i = 0; i + 1 < index->n_chunks; i++)
    if (GUINT64_FROM_LE (index->entries[i].end) != (i + 1) * CHUNK_SIZE)
      return fail (error, "chunk %" G_GSIZE_FORMAT " is not where it must be", i);

  guint64 last_start = (guint64)(index->n_chunks - 1) * CHUNK_SIZE;
  index->virtual_size = GUINT64_FROM_LE (index->entries[index->n_chunks - 1].end);
  if (index->virtual_size <= last_start || index->virtual_size > last_start + CHUNK_SIZE)
    return fail (error, "its last chunk is not where it must be");
  index->zero = chunk_id_of_zeros (CHUNK_SIZE);
  index->last_zero = chunk_id_of_zeros ((gsize)(index->virtual_size - last_start));
  return TRUE;
}

static Index *
new_index (void)
{
  Index *index = g_new0 (Index, 1);

  g_atomic_ref_count_init (&index->references);
  index->fd = -1;
  return index;
}

/* Whether the disk gives all SIZE bytes of FD: of a mapping that it does not give a process dies.
 */
static gboolean
can_be_read (int fd, guint64 size)
{
  guint8 buffer[CHUNK_SIZE];
  gssize n = 1;

  for (guint64 done = 0; done < size && n > 0; done += (guint64)n)
    n = pread (fd, buffer, sizeof buffer, (off_t)done);
  if (n == 0)
    errno = EIO; // it became shorter
  return n > 0;
}

/* Open and lock PATH, map it, and see that gc did not take it between the two.  */
static gboolean
map_file (Index *index, const char *path, GError **error)
{
  struct stat status;

  index->fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (index->fd < 0)
    return fail_errno (error, "index %s", path);
  // Only gc locks one against readers: waiting for it would be waiting for the file to go.
  gboolean locked = flock (index->fd, LOCK_SH | LOCK_NB) == 0;
  if (!locked && errno != EWOULDBLOCK)
    return fail_errno (error, "lock index %s", path);
  if (fstat (index->fd, &status) < 0)
    return fail_errno (error, "index %s", path);
  if (!locked || status.st_nlink == 0)
    return fail_code (error, G_IO_ERROR_NOT_FOUND, "index %s: gc is removing it", path);
  if (!S_ISREG (status.st_mode) || status.st_size == 0)
    return fail (error, "index %s: it is empty or no file", path);
  if (!can_be_read (index->fd, (guint64)status.st_size))
    return fail_errno (error, "index %s", path);
  gpointer data = mmap (NULL, (gsize)status.st_size, PROT_READ, MAP_SHARED, index->fd, 0);
  if (data == MAP_FAILED)
    return fail_errno (error, "index %s", path);
  index->data = data;
  index->size = (gsize)status.st_size;
  return TRUE;
}

Index *
index_open (const char *path, GError **error)
{
  g_autoptr (Index) index = new_index ();

  if (!map_file (index, path, error))
    return NULL;
  if (!check (index, error))
    {
      g_prefix_error (error, "index %s: ", path);
      return NULL;
    }
  return g_steal_pointer (&index);
}

Index *
index_new_from_bytes (GBytes *data, GError **error)
{
  g_autoptr (Index) index = new_index ();

  index->bytes = g_bytes_ref (data);
  index->data = g_bytes_get_data (data, &index->size);
  if (!check (index, error))
    return NULL;
  return g_steal_pointer (&index);
}

Index *
index_ref (Index *index)
{
  g_atomic_ref_count_inc (&index->references);
  return index;
}

void
index_unref (Index *index)
{
  if (!index || !g_atomic_ref_count_dec (&index->references))
    return;
  if (index->bytes)
    g_bytes_unref (index->bytes);
  else if (index->data)
    munmap ((gpointer)index->data, index->size);
  if (index->fd >= 0)
    close (index->fd);
  g_free (index);
}

const guint8 *
index_data (const Index *index, gsize *size)
{
  *size = index->size;
  return index->data;
}

guint64
index_virtual_size (const Index *index)
{
  return index->virtual_size;
}

gsize
index_n_chunks (const Index *index)
{
  return index->n_chunks;
}

const ChunkId *
index_chunk_id (const Index *index, gsize i)
{
  return &index->entries[i].id;
}

gsize
index_chunk_size (const Index *index, gsize i)
{
  return i + 1 < index->n_chunks ? CHUNK_SIZE
                                 : (gsize)(index->virtual_size - (guint64)i * CHUNK_SIZE);
}

gboolean
index_chunk_is_zero (const Index *index, gsize i)
{
  return chunk_id_equal (&index->entries[i].id,
                         i + 1 < index->n_chunks ? &index->zero : &index->last_zero);
}

guint64
index_data_bytes (const Index *index)
{
  guint64 bytes = 0;

  for (gsize i = 0; i < index->n_chunks; i++)
    if (!index_chunk_is_zero (index, i))
      bytes += index_chunk_size (index, i);
  return bytes;
}

GBytes *
index_build (guint64 virtual_size, const ChunkId *ids)
{
  gsize n = (gsize)((virtual_size + CHUNK_SIZE - 1) / CHUNK_SIZE);
  gsize size = sizeof (Header) + sizeof (Table) + n * sizeof (Entry) + sizeof (Tail);
  guint8 *data = g_malloc0 (size);
  Entry *entries = (Entry *)(data + sizeof (Header) + sizeof (Table));

  *(Header *)data = (Header){
    .size = GUINT64_TO_LE (sizeof (Header)),
    .type = GUINT64_TO_LE (CA_FORMAT_INDEX),
    .feature_flags = GUINT64_TO_LE (CA_FORMAT_WRITTEN),
    .chunk_size_min = GUINT64_TO_LE (CHUNK_SIZE),
    .chunk_size_avg = GUINT64_TO_LE (CHUNK_SIZE),
    .chunk_size_max = GUINT64_TO_LE (CHUNK_SIZE),
  };
  *(Table *)(data + sizeof (Header)) = (Table){
    .size = G_MAXUINT64,
    .type = GUINT64_TO_LE (CA_FORMAT_TABLE),
  };
  for (gsize i = 0; i < n; i++)
    {
      guint64 end = MIN ((guint64)(i + 1) * CHUNK_SIZE, virtual_size);
      entries[i] = (Entry){ .end = GUINT64_TO_LE (end), .id = ids[i] };
    }
  *(Tail *)(entries + n) = (Tail){
    .index_offset = GUINT64_TO_LE (sizeof (Header)),
    .table_size = GUINT64_TO_LE (size - sizeof (Header)),
    .marker = GUINT64_TO_LE (CA_FORMAT_TABLE_TAIL_MARKER),
  };
  return g_bytes_new_take (data, size);
}
