// SPDX-License-Identifier: GPL-2.0-or-later
// Recording which chunks a client reads first, from when it came: of a desktop that is its boot.
//
// Most reads are of chunks that were read before, or come after the boot: they look at a flag and a
// bit, and take no lock.

#include "boot-recorder.h"

#include <stdlib.h>

#define RECORDED_FOR  (180 * G_USEC_PER_SEC)
#define POSITIONS_MIN 64u // what only looks reads less: partition tables, file system's heads
#define WORD_BITS     32u

struct BootRecorder
{
  gint64 since_us;
  gint has_ended; // atomic
  guint *seen;    // a bit for each chunk; read without the lock, set with it
  GMutex lock;
  GArray *positions; // guarded by the lock; NULL once they were given away
};

BootRecorder *
boot_recorder_new (gsize n_chunks, gint64 now_us)
{
  BootRecorder *recorder = g_new0 (BootRecorder, 1);

  recorder->since_us = now_us;
  recorder->seen = g_new0 (guint, n_chunks / WORD_BITS + 1);
  recorder->positions = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_mutex_init (&recorder->lock);
  return recorder;
}

void
boot_recorder_free (BootRecorder *recorder)
{
  if (!recorder)
    return;
  g_clear_pointer (&recorder->positions, g_array_unref);
  g_mutex_clear (&recorder->lock);
  g_free (recorder->seen);
  g_free (recorder);
}

gboolean
boot_recorder_add (BootRecorder *recorder, gsize position, gint64 now_us)
{
  guint *word = &recorder->seen[position / WORD_BITS], bit = 1u << position % WORD_BITS;

  if (g_atomic_int_get (&recorder->has_ended) || now_us > recorder->since_us + RECORDED_FOR)
    return FALSE;
  if (g_atomic_int_get (word) & bit)
    return TRUE;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recorder->lock);
  GArray *positions = recorder->positions;
  if (!positions || positions->len >= BOOT_PROFILE_POSITIONS_MAX)
    return FALSE;
  if ((g_atomic_int_or (word, bit) & bit) == 0)
    {
      guint32 number = (guint32)position;
      g_array_append_val (positions, number);
    }
  return TRUE;
}

GArray *
boot_recorder_end (BootRecorder *recorder)
{
  if (!g_atomic_int_compare_and_exchange (&recorder->has_ended, FALSE, TRUE))
    return NULL;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recorder->lock);
  return g_steal_pointer (&recorder->positions);
}

gint64
boot_recorder_since (const BootRecorder *recorder)
{
  return recorder->since_us;
}

static int
compare_positions (gconstpointer a, gconstpointer b)
{
  guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;

  return (x > y) - (x < y);
}

/* How far, on average, a position's place in the order of reading is from its place on the disk.
   Copying moves it by what is under way at once; in a boot it is a large part of all.  */
gboolean
boot_recorder_is_boot (const GArray *positions)
{
  guint n = positions->len;
  guint64 distance = 0;

  if (n < POSITIONS_MIN)
    return FALSE;
  const guint32 *read = (const guint32 *)(gpointer)positions->data;
  g_autofree guint32 *sorted = g_memdup2 (read, n * sizeof *read);
  qsort (sorted, n, sizeof *sorted, compare_positions);
  for (guint i = 0; i < n; i++)
    {
      const guint32 *found = bsearch (&read[i], sorted, n, sizeof *sorted, compare_positions);
      guint place = (guint)(found - sorted);
      distance += place > i ? place - i : i - place;
    }
  return distance / n > n / 16;
}
