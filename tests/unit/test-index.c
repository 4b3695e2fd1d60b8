// SPDX-License-Identifier: GPL-2.0-or-later
// The index: damaged and foreign bytes are refused, and what was built reads back.
#include <string.h>

#include "qcow-backing/index.h"

#define N_CHUNKS 5
#define LAST     1000 // bytes of the last chunk

static ChunkId
numbered_id (guint8 number)
{
  ChunkId id;

  memset (&id, number, sizeof id);
  return id;
}

/* Chunks 1 and 4, the last, are zeros.  */
static GBytes *
build (void)
{
  ChunkId ids[N_CHUNKS] = { numbered_id (1), chunk_id_of_zeros (CHUNK_SIZE), numbered_id (2),
                            numbered_id (3), chunk_id_of_zeros (LAST) };

  return index_build ((N_CHUNKS - 1) * (guint64)CHUNK_SIZE + LAST, ids);
}

static void
test_round_trip (void)
{
  g_autoptr (GBytes) data = build ();
  g_autoptr (GError) error = NULL;
  g_autoptr (Index) index = index_new_from_bytes (data, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (index_virtual_size (index), ==, (N_CHUNKS - 1) * CHUNK_SIZE + LAST);
  g_assert_cmpuint (index_n_chunks (index), ==, N_CHUNKS);
  g_assert_cmpuint (index_chunk_size (index, 0), ==, CHUNK_SIZE);
  g_assert_cmpuint (index_chunk_size (index, N_CHUNKS - 1), ==, LAST);
  g_assert_true (index_chunk_is_zero (index, 1));
  g_assert_true (index_chunk_is_zero (index, 4));
  g_assert_false (index_chunk_is_zero (index, 3));
  g_assert_cmpuint (index_data_bytes (index), ==, 3 * CHUNK_SIZE);
  ChunkId third = numbered_id (2);
  g_assert_true (chunk_id_equal (index_chunk_id (index, 2), &third));
}

/* A full chunk's zeros are not a short chunk's: the id of one must not pass for the other.  */
static void
test_zeros_of_another_size (void)
{
  ChunkId ids[2] = { chunk_id_of_zeros (LAST), chunk_id_of_zeros (CHUNK_SIZE) };
  g_autoptr (GBytes) data = index_build (CHUNK_SIZE + LAST, ids);
  g_autoptr (Index) index = index_new_from_bytes (data, NULL);

  g_assert_false (index_chunk_is_zero (index, 0));
  g_assert_false (index_chunk_is_zero (index, 1));
}

static void
assert_refused (const guint8 *data, gsize size)
{
  g_autofree guint8 *copy = g_memdup2 (data, size);
  g_autoptr (GBytes) bytes = g_bytes_new (copy, size);
  g_autoptr (GError) error = NULL;

  g_assert_null (index_new_from_bytes (bytes, &error));
  g_assert_nonnull (error);
}

static void
test_every_length (void)
{
  g_autoptr (GBytes) data = build ();
  gsize size;
  const guint8 *bytes = g_bytes_get_data (data, &size);

  for (gsize i = 0; i < size; i++)
    assert_refused (bytes, i);
}

/* Whether byte I belongs to a chunk's id, or to flags that mean nothing here: those may have any
   value, and the record's SHA-256 of the index guards them.  */
static gboolean
is_free (gsize i, gsize size)
{
  gboolean in_entries = i >= 64 && i < size - 40;

  return (in_entries && (i - 64) % 40 >= 8) || (i >= 16 && i < 24);
}

static void
test_every_byte_flipped (void)
{
  g_autoptr (GBytes) data = build ();
  gsize size;
  const guint8 *bytes = g_bytes_get_data (data, &size);

  for (gsize i = 0; i < size; i++)
    {
      g_autofree guint8 *copy = g_memdup2 (bytes, size);
      copy[i] ^= 0x80;
      // The last chunk's end may move within the chunk.
      if (!is_free (i, size) && i != size - 80 && i != size - 79)
        assert_refused (copy, size);
    }
}

static void
test_sha512_256 (void)
{
  g_autoptr (GBytes) data = build ();
  gsize size;
  g_autofree guint8 *copy = g_memdup2 (g_bytes_get_data (data, &size), g_bytes_get_size (data));

  copy[23] |= 0x20; // CA_FORMAT_SHA512_256
  assert_refused (copy, size);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/index/every-length", test_every_length);
  g_test_add_func ("/index/every-byte-flipped", test_every_byte_flipped);
  g_test_add_func ("/index/sha512-256", test_sha512_256);
  g_test_add_func ("/index/zeros-of-another-size", test_zeros_of_another_size);
  g_test_add_func ("/index/round-trip", test_round_trip);
  return g_test_run ();
}
