// SPDX-License-Identifier: GPL-2.0-or-later
// The set of chunk ids: each once, at its position, also where hashes collide.
#include <string.h>

#include "qcow-backing/chunk-set.h"

/* Ids whose first bytes are all alike.  */
static ChunkId
alike (guint number)
{
  ChunkId id = { { 0 } };

  memcpy (id.bytes + CHUNK_ID_SIZE - sizeof number, &number, sizeof number);
  return id;
}

static ChunkId
random_like (guint number)
{
  return chunk_id_of (&number, sizeof number);
}

static void
check_ids (ChunkId (*id_of) (guint), guint count)
{
  g_autoptr (ChunkSet) set = chunk_set_new ();
  ChunkId stranger = id_of (count);

  g_assert_cmpuint (chunk_set_count (set), ==, 0);
  for (guint i = 0; i < count; i++)
    {
      ChunkId id = id_of (i);
      g_assert_false (chunk_set_has (set, &id));
      g_assert_cmpuint (chunk_set_find (set, &id), ==, CHUNK_SET_NONE);
      g_assert_cmpuint (chunk_set_add (set, &id), ==, i);
      g_assert_cmpuint (chunk_set_add (set, &id), ==, i);
      g_assert_cmpuint (chunk_set_count (set), ==, i + 1);
    }
  for (guint i = 0; i < count; i++)
    {
      ChunkId id = id_of (i);
      g_assert_cmpuint (chunk_set_find (set, &id), ==, i);
      g_assert_true (chunk_id_equal (chunk_set_get (set, i), &id));
    }
  g_assert_false (chunk_set_has (set, &stranger));
}

static void
test_random (void)
{
  check_ids (random_like, 100000);
}

static void
test_collisions (void)
{
  check_ids (alike, 2000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/chunk-set/random", test_random);
  g_test_add_func ("/chunk-set/collisions", test_collisions);
  return g_test_run ();
}
