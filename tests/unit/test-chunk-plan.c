// SPDX-License-Identifier: GPL-2.0-or-later
// The plan of what has to be read: from a disk's map and what lies below it.
#include "qcow-backing/chunk-plan.h"

#define C         ((guint64)CHUNK_SIZE)
#define COUNT_MAX 4

#define BELOW NBD_EXTENT_BELOW
#define ZERO  NBD_EXTENT_ZERO
#define DATA  NBD_EXTENT_DATA

typedef struct
{
  const char *name;
  guint64 below_size; // 0: nothing below
  struct
  {
    guint64 length;
    NbdExtentKind kind;
  } extents[6];
  const char *ranges; // "FIRST+COUNT …"
  const char *ids;    // a character for each chunk: b below's, 0 zero, . to be read
} Case;

static const Case CASES[] = {
  { "all-data", 0, { { 6 * C, DATA } }, "0+4 4+2", "......" },
  { "short-disk", 0, { { 10, DATA } }, "0+1", "." },
  { "nothing-below", 0, { { 2 * C, BELOW }, { C, DATA }, { C / 2, BELOW } }, "2+1", "00.0" },
  { "nothing-written", 4 * C, { { 4 * C, BELOW } }, "", "bbbb" },
  { "4k-in-a-chunk",
    4 * C,
    { { C + 4096, BELOW }, { 4096, DATA }, { 3 * C - 8192, BELOW } },
    "1+1",
    "b.bb" },
  { "twice-in-a-chunk",
    2 * C,
    { { 4096, DATA }, { 4096, BELOW }, { 4096, DATA }, { 2 * C - 12288, BELOW } },
    "0+1",
    ".b" },
  { "across-two", 3 * C, { { C - 1, BELOW }, { 2, DATA }, { 2 * C - 1, BELOW } }, "0+2", "..b" },
  { "discarded", 4 * C, { { C, BELOW }, { 2 * C, ZERO }, { C, BELOW } }, "", "b00b" },
  { "discarded-in-part",
    4 * C,
    { { C + 1, BELOW }, { 2 * C, ZERO }, { C - 1, BELOW } },
    "1+1 3+1",
    "b.0." },
  { "grown", 2 * C, { { 4 * C, BELOW } }, "", "bb00" },
  { "grown-from-within-a-chunk", C + 512, { { 3 * C, BELOW } }, "1+1", "b.0" },
  { "grown-by-part-of-a-chunk", 2 * C, { { 2 * C + 512, BELOW } }, "", "bb0" },
  { "grown-and-written", C + 512, { { 2 * C, BELOW }, { C, DATA }, { C, ZERO } }, "1+2", "b..0" },
};

/* The index of a disk of SIZE bytes none of whose chunks is zero.  */
static Index *
make_below (guint64 size)
{
  gsize n = (gsize)((size + C - 1) / C);
  g_autofree ChunkId *ids = g_new (ChunkId, n);

  for (gsize i = 0; i < n; i++)
    ids[i] = chunk_id_of (&i, sizeof i);
  g_autoptr (GBytes) data = index_build (size, ids);
  return index_new_from_bytes (data, NULL);
}

static GArray *
make_extents (const Case *test, guint64 *size)
{
  GArray *extents = g_array_new (FALSE, FALSE, sizeof (NbdExtent));

  *size = 0;
  for (gsize i = 0; i < G_N_ELEMENTS (test->extents) && test->extents[i].length > 0; i++)
    {
      const NbdExtent extent = { *size, test->extents[i].length, test->extents[i].kind };
      g_array_append_val (extents, extent);
      *size += extent.length;
    }
  return extents;
}

/* What PLAN says of the chunks of a disk of SIZE bytes, as Case.ids does.  */
static char *
describe_ids (const ChunkPlan *plan, guint64 size, const Index *below)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < (size + C - 1) / C; i++)
    {
      ChunkId zero = chunk_id_of_zeros ((gsize)MIN (C, size - i * C));
      gboolean is_read = FALSE;
      for (guint j = 0; j < plan->ranges->len; j++)
        {
          const ChunkRange *range = &g_array_index (plan->ranges, ChunkRange, j);
          is_read = is_read || (i >= range->first && i < range->first + range->count);
        }
      gboolean is_below = below && i < index_n_chunks (below)
                          && chunk_id_equal (&plan->ids[i], index_chunk_id (below, i));
      g_string_append_c (text, is_read                                 ? '.'
                               : is_below                              ? 'b'
                               : chunk_id_equal (&plan->ids[i], &zero) ? '0'
                                                                       : '?');
    }
  return g_string_free (text, FALSE);
}

static void
test_plan (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (Index) below = test->below_size ? make_below (test->below_size) : NULL;
  g_autoptr (GString) ranges = g_string_new (NULL);
  guint64 size, last = 0;
  GArray *extents = make_extents (test, &size);
  g_autoptr (ChunkPlan) plan = chunk_plan_new (size, extents, below, COUNT_MAX);
  g_autofree char *ids = describe_ids (plan, size, below);

  for (guint i = 0; i < plan->ranges->len; i++)
    {
      const ChunkRange *range = &g_array_index (plan->ranges, ChunkRange, i);
      g_string_append_printf (ranges, "%s%zu+%zu", i ? " " : "", range->first, range->count);
    }
  g_assert_cmpstr (ranges->str, ==, test->ranges);
  g_assert_cmpstr (ids, ==, test->ids);
  for (guint i = 0; i < plan->extents->len; i++)
    {
      const NbdExtent *extent = &g_array_index (plan->extents, NbdExtent, i);
      g_assert_cmpuint (extent->offset, ==, last);
      g_assert_true (extent->kind != BELOW || extent->offset + extent->length <= test->below_size);
      g_assert_cmpuint (chunk_plan_extent_at (plan, last), ==, i);
      last += extent->length;
      g_assert_cmpuint (chunk_plan_extent_at (plan, last - 1), ==, i);
    }
  g_assert_cmpuint (last, ==, size);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_autofree char *path = g_strconcat ("/chunk-plan/", CASES[i].name, NULL);
      g_test_add_data_func (path, &CASES[i], test_plan);
    }
  return g_test_run ();
}
