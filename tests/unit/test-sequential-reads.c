// SPDX-License-Identifier: GPL-2.0-or-later
// Which reads follow on others.
#include <glib.h>

#include "daemon/sequential-reads.h"

/* Chunk POSITION is missing; what is to be fetched then: "12+8", or "-".  */
static void
read_at (SequentialReads *reads, guint64 position, const char *wanted)
{
  guint count = 0;
  SequentialStream *stream = sequential_reads_add (reads, position, &count);
  g_autofree char *text =
      stream ? g_strdup_printf ("%" G_GUINT64_FORMAT "+%u", stream->end, count) : g_strdup ("-");

  g_assert_cmpstr (text, ==, wanted);
  if (stream)
    stream->end += count;
}

static void
test_random (void)
{
  static const guint64 POSITIONS[] = { 5, 4, 5, 900, 5, 20, 1, 700, 8, 5000, 40, 60, 80, 3, 100 };
  SequentialReads reads = { 0 };

  read_at (&reads, 0, "-");
  for (gsize i = 0; i < G_N_ELEMENTS (POSITIONS); i++)
    {
      guint count;
      SequentialStream *stream = sequential_reads_add (&reads, POSITIONS[i] * 10, &count);
      g_assert_null (stream);
    }
}

static void
test_on_and_on (void)
{
  SequentialReads reads = { 0 };

  read_at (&reads, 10, "-");
  read_at (&reads, 11, "12+8");
  read_at (&reads, 20, "21+16"); // what was fetched is read without being missing
  read_at (&reads, 39, "40+32"); // over two zeros
  read_at (&reads, 72, "73+64");
  read_at (&reads, 137, "138+64");
  read_at (&reads, 140, "202+3"); // faster than what is fetched: the window goes on
  read_at (&reads, 140, "-");     // behind it
  read_at (&reads, 300, "-");
}

/* As many as there are streams, in turn; one more drives out the one that was there longest.  */
static void
test_many (void)
{
  SequentialReads reads = { 0 };

  for (guint64 i = 0; i < SEQUENTIAL_STREAMS; i++)
    read_at (&reads, 1000 * i, "-");
  for (guint64 i = 0; i < SEQUENTIAL_STREAMS; i++)
    {
      g_autofree char *wanted = g_strdup_printf ("%u+8", (guint)(1000 * i + 2));
      read_at (&reads, 1000 * i + 1, wanted);
    }
  read_at (&reads, 50000, "-");
  read_at (&reads, 10, "-"); // was driven out, and drives out the next
  read_at (&reads, 2010, "2011+16");
}

static void
test_end (void)
{
  SequentialReads reads = { 0 };

  read_at (&reads, G_GUINT64_CONSTANT (1) << 26, "-");
  read_at (&reads, (G_GUINT64_CONSTANT (1) << 26) + 1, "67108866+8");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sequential-reads/random", test_random);
  g_test_add_func ("/sequential-reads/on-and-on", test_on_and_on);
  g_test_add_func ("/sequential-reads/many", test_many);
  g_test_add_func ("/sequential-reads/end", test_end);
  return g_test_run ();
}
