// SPDX-License-Identifier: GPL-2.0-or-later
// Recording what is read first: once each, in order, from several threads, not for ever; and what
// is no boot.

#include <glib.h>

#include "qcow-backing/boot-recorder.h"

#define N_CHUNKS 1000u
#define SECOND   G_USEC_PER_SEC

static void
test_order (void)
{
  static const guint32 READ[] = { 5, 999, 5, 0, 32, 31, 5, 33, 32 };
  static const guint32 FIRST[] = { 5, 999, 0, 32, 31, 33 };
  g_autoptr (BootRecorder) recorder = boot_recorder_new (N_CHUNKS, 7 * SECOND);

  for (gsize i = 0; i < G_N_ELEMENTS (READ); i++)
    g_assert_true (boot_recorder_add (recorder, READ[i], 8 * SECOND));
  g_autoptr (GArray) positions = boot_recorder_end (recorder);
  g_assert_cmpmem (positions->data, positions->len * sizeof (guint32), FIRST, sizeof FIRST);
  g_assert_cmpint (boot_recorder_since (recorder), ==, 7 * SECOND);
  g_assert_null (boot_recorder_end (recorder));
  g_assert_false (boot_recorder_add (recorder, 6, 8 * SECOND));
  g_assert_false (boot_recorder_add (recorder, 5, 8 * SECOND));
}

static void
test_time (void)
{
  g_autoptr (BootRecorder) recorder = boot_recorder_new (N_CHUNKS, 7 * SECOND);

  g_assert_true (boot_recorder_add (recorder, 1, 7 * SECOND));
  g_assert_true (boot_recorder_add (recorder, 2, 187 * SECOND));
  g_assert_false (boot_recorder_add (recorder, 3, 187 * SECOND + 1));
  g_autoptr (GArray) positions = boot_recorder_end (recorder);
  g_assert_cmpuint (positions->len, ==, 2);
}

static void
test_bound (void)
{
  g_autoptr (BootRecorder) recorder = boot_recorder_new (BOOT_PROFILE_POSITIONS_MAX + 1, 0);

  for (gsize i = 0; i < BOOT_PROFILE_POSITIONS_MAX; i++)
    g_assert_true (boot_recorder_add (recorder, i, 0));
  g_assert_false (boot_recorder_add (recorder, BOOT_PROFILE_POSITIONS_MAX, 0));
  g_assert_true (boot_recorder_add (recorder, 0, 0));
  g_autoptr (GArray) positions = boot_recorder_end (recorder);
  g_assert_cmpuint (positions->len, ==, BOOT_PROFILE_POSITIONS_MAX);
}

static gpointer
read_all (gpointer recorder)
{
  for (gsize i = 0; i < N_CHUNKS; i++)
    boot_recorder_add (recorder, i, 0);
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (BootRecorder) recorder = boot_recorder_new (N_CHUNKS, 0);
  GThread *threads[4];
  gboolean seen[N_CHUNKS] = { FALSE };

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("reader", read_all, recorder);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_autoptr (GArray) positions = boot_recorder_end (recorder);
  g_assert_cmpuint (positions->len, ==, N_CHUNKS);
  for (gsize i = 0; i < N_CHUNKS; i++)
    {
      guint32 position = g_array_index (positions, guint32, i);
      g_assert_false (seen[position]);
      seen[position] = TRUE;
    }
}

/* N positions, each STEP chunks behind the last one, round and round on a disk of N chunks, with
   those in each group of SHUFFLED in another order, as when so many are under way at once.  */
typedef struct
{
  const char *name;
  guint n, step, shuffled;
  gboolean is_boot;
} Pattern;

static const Pattern PATTERNS[] = {
  { "nothing", 0, 1, 1, FALSE },
  { "a look at it", 63, 37, 1, FALSE },
  { "the least boot", 64, 37, 1, TRUE },
  { "a boot", 3000, 997, 1, TRUE },
  { "a boot of files that lie in runs", 3000, 1501, 8, TRUE },
  { "a copy of a small disk", 64, 1, 1, FALSE },
  { "a copy", 3000, 1, 1, FALSE },
  { "a copy by many threads", 3000, 1, 128, FALSE },
  { "the largest", BOOT_PROFILE_POSITIONS_MAX, 40503, 1, TRUE },
};

static void
test_is_boot (gconstpointer data)
{
  const Pattern *pattern = data;
  g_autoptr (GArray) positions = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (guint i = 0; i < pattern->n; i++)
    {
      guint group = i - i % pattern->shuffled;
      guint place = MIN (group + pattern->shuffled, pattern->n) - 1 - i % pattern->shuffled;
      guint32 position = (guint32)((guint64)place * pattern->step % pattern->n);
      g_array_append_val (positions, position);
    }
  g_assert_cmpint (boot_recorder_is_boot (positions), ==, pattern->is_boot);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/boot-recorder/order", test_order);
  g_test_add_func ("/boot-recorder/time", test_time);
  g_test_add_func ("/boot-recorder/bound", test_bound);
  g_test_add_func ("/boot-recorder/threads", test_threads);
  for (gsize i = 0; i < G_N_ELEMENTS (PATTERNS); i++)
    {
      g_autofree char *name = g_strdup_printf ("/boot-recorder/is-boot/%s", PATTERNS[i].name);
      g_test_add_data_func (name, &PATTERNS[i], test_is_boot);
    }
  return g_test_run ();
}
