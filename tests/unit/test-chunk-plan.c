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

/* The bytes of EXTENT that lie in [FROM, TO).  */
static guint64
overlap (const NbdExtent *extent, guint64 from, guint64 to)
{
  guint64 begin = MAX (extent->offset, from), end = MIN (extent->offset + extent->length, to);

  return begin < end ? end - begin : 0;
}

/* What is read between BEGIN and END is all of the data there, each byte once, and of the rest only
   gaps between it of at most 16 KiB.  */
static void
check_parts (const ChunkPlan *plan, guint64 begin, guint64 end)
{
  DiskPart part = { begin, 0 };
  guint64 data = 0, read = 0, before = begin;

  for (guint i = 0; i < plan->extents->len; i++)
    {
      const NbdExtent *extent = &g_array_index (plan->extents, NbdExtent, i);
      data += extent->kind == DATA ? overlap (extent, begin, end) : 0;
    }
  while (chunk_plan_next_data (plan, part.offset + part.length, end, &part))
    {
      g_assert_cmpuint (part.offset, >=, before);
      g_assert_cmpuint (part.length, >, 0);
      before = part.offset + part.length;
      g_assert_cmpuint (before, <=, end);
      for (guint i = 0; i < plan->extents->len; i++)
        {
          const NbdExtent *extent = &g_array_index (plan->extents, NbdExtent, i);
          guint64 bytes = overlap (extent, part.offset, before);
          g_assert_true (extent->kind == DATA || bytes <= 16 << 10);
          read += extent->kind == DATA ? bytes : 0;
        }
    }
  g_assert_cmpuint (read, ==, data);
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
  check_parts (plan, 0, size);
  for (guint64 begin = 0; begin < size; begin += C)
    check_parts (plan, begin, MIN (begin + C, size));
}

/* A little data here and there, near and far.  */
static void
test_parts (void)
{
  const guint64 K = 1024;
  const struct
  {
    guint64 length;
    NbdExtentKind kind;
  } MAP[] = { { 4 * K, BELOW }, { 4 * K, DATA },   { 16 * K, BELOW }, { 4 * K, DATA },
              { 8 * K, ZERO },  { 9 * K, BELOW },  { 4 * K, DATA },   { 1 * K, ZERO },
              { 1 * K, DATA },  { 64 * K, BELOW }, { 4 * K, DATA },   { 9 * K, ZERO } };
  static const char EXPECTED[] = "4+24 45+6 115+4";
  GArray *extents = g_array_new (FALSE, FALSE, sizeof (NbdExtent));
  g_autoptr (GString) parts = g_string_new (NULL);
  DiskPart part = { 0, 0 };
  guint64 size = 0;

  for (guint i = 0; i < G_N_ELEMENTS (MAP); i++)
    {
      const NbdExtent extent = { size, MAP[i].length, MAP[i].kind };
      g_array_append_val (extents, extent);
      size += extent.length;
    }
  g_autoptr (Index) below = make_below (size);
  g_autoptr (ChunkPlan) plan = chunk_plan_new (size, extents, below, COUNT_MAX);
  while (chunk_plan_next_data (plan, part.offset + part.length, size, &part))
    g_string_append_printf (parts, "%s%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT,
                            parts->len ? " " : "", part.offset / K, part.length / K);
  g_assert_cmpstr (parts->str, ==, EXPECTED);
  for (guint64 begin = 0; begin < size; begin += 3 * K)
    for (guint64 end = begin + K; end <= size; end += 3 * K)
      check_parts (plan, begin, end);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/chunk-plan/parts", test_parts);
  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_autofree char *path = g_strconcat ("/chunk-plan/", CASES[i].name, NULL);
      g_test_add_data_func (path, &CASES[i], test_plan);
    }
  return g_test_run ();
}
