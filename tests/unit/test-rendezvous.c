// SPDX-License-Identifier: GPL-2.0-or-later
// Rendezvous hashing: the same on every host and in every version of gild, and even.
#include <glib.h>
#include <string.h>

#include "network/rendezvous.h"

/* Computed apart from the program.  Old hosts and new ones must agree: these never change.  */
static void
test_vectors (void)
{
  static const struct
  {
    const char *data, *host;
    guint64 weight;
  } VECTORS[] = {
    { "", "", G_GUINT64_CONSTANT (0x75607cec002b1f36) },
    { "", "pc-1", G_GUINT64_CONSTANT (0xae6c35af94b52202) },
    { "abc", "pc-1", G_GUINT64_CONSTANT (0xc0fcae36bb220eae) },
    { "abc", "srv", G_GUINT64_CONSTANT (0x83732aa327734c43) },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (VECTORS); i++)
    {
      ChunkId id = chunk_id_of (VECTORS[i].data, strlen (VECTORS[i].data));
      g_assert_cmphex (rendezvous_weight (&id, VECTORS[i].host), ==, VECTORS[i].weight);
    }
}

#define N_HOSTS  20
#define N_CHUNKS 20000

static guint
home_of (const ChunkId *id, guint n_hosts)
{
  guint home = 0;
  guint64 highest = 0;

  for (guint i = 0; i < n_hosts; i++)
    {
      g_autofree char *name = g_strdup_printf ("pc-%u", i);
      guint64 weight = rendezvous_weight (id, name);
      if (i == 0 || weight > highest)
        {
          home = i;
          highest = weight;
        }
    }
  return home;
}

/* Each host is home to its share within a tenth, and one more host takes over nothing but its own.
 */
static void
test_shares (void)
{
  guint counts[N_HOSTS] = { 0 };

  for (guint32 i = 0; i < N_CHUNKS; i++)
    {
      ChunkId id = chunk_id_of (&i, sizeof i);
      guint home = home_of (&id, N_HOSTS), with_one_more = home_of (&id, N_HOSTS + 1);
      counts[home]++;
      g_assert_true (with_one_more == home || with_one_more == N_HOSTS);
    }
  for (guint i = 0; i < N_HOSTS; i++)
    {
      g_assert_cmpuint (counts[i], >, N_CHUNKS / N_HOSTS * 9 / 10);
      g_assert_cmpuint (counts[i], <, N_CHUNKS / N_HOSTS * 11 / 10);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rendezvous/vectors", test_vectors);
  g_test_add_func ("/rendezvous/shares", test_shares);
  return g_test_run ();
}
