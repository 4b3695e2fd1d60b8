// SPDX-License-Identifier: GPL-2.0-or-later
// An index from elsewhere: its chunks are all there and make up the disk, and it builds again.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/index.h"

#define FLAGS_OFFSET  16u // which may differ: casync's say what it put into an archive
#define ENTRIES_START 64u
#define ENTRY_SIZE    40u

/* BYTES are what index_build makes of INDEX's ids.  */
static void
check_built_again (const Index *index, const guint8 *data, gsize size)
{
  g_autofree ChunkId *ids = g_new (ChunkId, index_n_chunks (index));

  for (gsize i = 0; i < index_n_chunks (index); i++)
    ids[i] = *index_chunk_id (index, i);
  g_autoptr (GBytes) built = index_build (index_virtual_size (index), ids);
  gsize built_size;
  const guint8 *again = g_bytes_get_data (built, &built_size);
  g_assert_cmpmem (data, FLAGS_OFFSET, again, FLAGS_OFFSET);
  g_assert_cmpmem (data + FLAGS_OFFSET + 8, size - FLAGS_OFFSET - 8, again + FLAGS_OFFSET + 8,
                   built_size - FLAGS_OFFSET - 8);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (Index) index = index_new_from_bytes (bytes, &error);
  guint64 all = 0, not_zero = 0;

  if (!fuzz_check_result (index, error))
    return FALSE;
  g_assert_cmpuint (index_n_chunks (index), ==, (size - ENTRIES_START) / ENTRY_SIZE - 1);
  for (gsize i = 0; i < index_n_chunks (index); i++)
    {
      gsize chunk_size = index_chunk_size (index, i);
      g_assert_true (
          chunk_size == CHUNK_SIZE
          || (chunk_size > 0 && chunk_size < CHUNK_SIZE && i + 1 == index_n_chunks (index)));
      all += chunk_size;
      not_zero += index_chunk_is_zero (index, i) ? 0 : chunk_size;
    }
  g_assert_cmpuint (all, ==, index_virtual_size (index));
  g_assert_cmpuint (not_zero, ==, index_data_bytes (index));
  check_built_again (index, data, size);
  return TRUE;
}
