// SPDX-License-Identifier: GPL-2.0-or-later
// Makes the directory that may be found after a power cut, from a copy of it from before a program
// ran, and the log (disk-log.h) of what the program did until then.
//
//   power-cut [--seed=N] [--ordered | --all] [--after=OPERATIONS [--to-sync]] BEFORE LOG AFTER
//   power-cut --count LOG
//
// What is taken for granted, and no more:
//
// - After fsync or fdatasync of a file, its bytes and its size as they were when the call began are
//   there.  Its name need not be.
// - After fsync of a directory, the names in it as they were when the call began are there.  The
//   name of the directory itself need not be, nor what is in the files.
// - After syncfs all is there that was when the call began.  What other threads do during any of
//   these calls is not.
// - Of all else, each change is there or is not, by the seed: a name made, removed or moved, or a
//   write.  A name may be there and the file have none of its bytes, and the other way round.
// - A write that was not synced may also be there in part: its first bytes, some sectors of it, or
//   its size with zeros for bytes.
// - A rename is one change, in both directories, and an inode's names change in their order: no
//   journal leaves a file with neither name.  A directory that is gone is empty: what was moved out
//   of it has moved.
// - With --ordered, names change on the disk in the order in which the program changed them, in all
//   directories together, as in the journals of ext4, XFS and btrfs: one point of time divides what
//   is there from what is not.  Without it, which POSIX allows, each for itself.  Bytes are never
//   ordered.
//
// Owners and times are not in it, and modes are as at the end of the log.  --all: nothing is lost.

#include <stdio.h>
#include <string.h>

#include "disk-changes.h"

#define SECTOR_SIZE 512

/* Which of the changes that nobody has synced are kept.  One that is lost alone, or kept alone,
   finds what many that are lost together would hide.  */
typedef enum
{
  KEEP_NONE,
  KEEP_ALL,
  KEEP_ONE,
  LOSE_ONE,
  KEEP_SOME,
  N_CHOICES
} Choice;

typedef struct
{
  Choice choice;
  guint one;          // KEEP_ONE, LOSE_ONE: counted over the changes that it is about
  guint seen;         // of these
  double probability; // KEEP_SOME
} Luck;

typedef struct
{
  DiskChanges *disk;
  GRand *random;
  Luck names, bytes;
  double tear; // the probability that a lost write is there in part
} PowerCut;

/* The changes of names that are kept, if they are so in order: all before the result.  */
static guint
choose_end_of_names (PowerCut *cut)
{
  guint first = 0, n = cut->disk->list->len;

  for (guint i = 0; i < n; i++)
    {
      const Change *change = &g_array_index (cut->disk->list, Change, i);
      if (change->is_durable && !change_is_of_bytes (change))
        first = i + 1;
    }
  return (guint)g_rand_int_range (cut->random, (gint32)first, (gint32)n + 1);
}

/* What is kept must be possible: see the head of this file.  */
static void
keep_what_others_need (PowerCut *cut)
{
  g_autoptr (GHashTable) changed =
      g_hash_table_new (NULL, NULL); // objects, by changes that are kept
  g_autoptr (GHashTable) removed = g_hash_table_new (NULL, NULL); // directories

  for (guint i = cut->disk->list->len; i-- > 0;)
    {
      Change *change = &g_array_index (cut->disk->list, Change, i);
      if (change_is_of_bytes (change))
        continue;
      change->is_kept = change->is_kept || g_hash_table_contains (changed, change->object)
                        || g_hash_table_contains (removed, change->from)
                        || g_hash_table_contains (removed, change->to);
      if (change->is_kept)
        g_hash_table_add (changed, change->object);
      if (change->is_kept && change->logged->op.kind == DISK_RMDIR)
        g_hash_table_add (removed, change->object);
    }
}

static gboolean
happens (PowerCut *cut, double probability)
{
  return g_rand_double (cut->random) < probability;
}

static Luck
draw (PowerCut *cut, gboolean of_bytes)
{
  static const double PROBABILITIES[] = { 0.1, 0.5, 0.9 };
  guint n = 0;

  for (guint i = 0; i < cut->disk->list->len; i++)
    {
      const Change *change = &g_array_index (cut->disk->list, Change, i);
      n += !change->is_durable && change_is_of_bytes (change) == of_bytes;
    }
  return (Luck){ (Choice)g_rand_int_range (cut->random, 0, N_CHOICES),
                 (guint)g_rand_int_range (cut->random, 0, MAX ((gint32)n, 1)), 0,
                 PROBABILITIES[g_rand_int_range (cut->random, 0, G_N_ELEMENTS (PROBABILITIES))] };
}

static gboolean
is_lucky (PowerCut *cut, Luck *luck)
{
  gboolean is_one = luck->seen++ == luck->one;

  switch (luck->choice)
    {
    case KEEP_ALL:
      return TRUE;
    case KEEP_ONE:
      return is_one;
    case LOSE_ONE:
      return !is_one;
    case KEEP_SOME:
      return happens (cut, luck->probability);
    default:
      return FALSE;
    }
}

static void
choose (PowerCut *cut, gboolean is_ordered, gboolean is_all)
{
  guint end_of_names = choose_end_of_names (cut);

  cut->names = draw (cut, FALSE);
  cut->bytes = draw (cut, TRUE);
  cut->tear = g_rand_double (cut->random);
  for (guint i = 0; i < cut->disk->list->len; i++)
    {
      Change *change = &g_array_index (cut->disk->list, Change, i);
      if (change->is_durable || is_all)
        change->is_kept = TRUE;
      else if (change_is_of_bytes (change))
        change->is_kept = is_lucky (cut, &cut->bytes);
      else
        change->is_kept = is_ordered ? i < end_of_names : is_lucky (cut, &cut->names);
    }
  keep_what_others_need (cut);
}

static void
apply_name (const Change *change)
{
  const Logged *logged = change->logged;
  g_autofree char *name = g_path_get_basename (logged->path);
  g_autofree char *new_name = g_path_get_basename (*logged->other ? logged->other : logged->path);

  if (change->from && g_hash_table_lookup (change->from->on_disk, name) == change->object)
    disk_object_set (change->from->on_disk, name, NULL);
  if (change->to)
    disk_object_set (change->to->on_disk, new_name, change->object);
}

/* At least SIZE bytes, new ones being zeros.  */
static void
grow (GByteArray *data, gsize size)
{
  guint before = data->len;

  if (size <= before)
    return;
  g_byte_array_set_size (data, (guint)size);
  memset (data->data + before, 0, size - before);
}

static void
apply_bytes (const Change *change, gsize from, gsize size)
{
  GByteArray *data = change->object->data;
  gsize offset = change->logged->op.offset;

  grow (data, offset + from + size);
  memcpy (data->data + offset + from, change->logged->data + from, size);
}

/* A write that is there in part.  */
static void
apply_torn (PowerCut *cut, const Change *change)
{
  gsize size = change->logged->op.data_size;

  if (happens (cut, 0.3))
    apply_bytes (change, 0, (gsize)g_rand_int_range (cut->random, 0, (gint32)size));
  else if (happens (cut, 0.5))
    grow (change->object->data, change->logged->op.offset + size);
  else
    for (gsize at = 0; at < size; at += SECTOR_SIZE)
      if (happens (cut, 0.5))
        apply_bytes (change, at, MIN (SECTOR_SIZE, size - at));
}

static void
apply (PowerCut *cut, const Change *change)
{
  gboolean is_write = change->logged->op.kind == DISK_WRITE;

  if (!change_is_of_bytes (change))
    {
      if (change->is_kept)
        apply_name (change);
    }
  else if (change->is_kept && is_write)
    apply_bytes (change, 0, change->logged->op.data_size);
  else if (change->is_kept)
    {
      gsize size = change->logged->op.kind == DISK_TRUNCATE ? change->logged->op.offset : 0;
      grow (change->object->data, size);
      g_byte_array_set_size (change->object->data, (guint)size);
    }
  else if (is_write && happens (cut, cut->tear))
    apply_torn (cut, change);
}

/* A line on what the cut did: for people, who look for what went wrong.  */
static void
report (const DiskChanges *disk, guint after)
{
  guint end = MIN (after, disk->log->len);
  guint lost[2] = { 0 }, total[2] = { 0 };

  for (guint i = 0; i < disk->list->len; i++)
    {
      const Change *change = &g_array_index (disk->list, Change, i);
      total[change_is_of_bytes (change)]++;
      lost[change_is_of_bytes (change)] += !change->is_kept;
    }
  const Logged *last = end ? disk->log->pdata[end - 1] : NULL;
  printf (
      "after %u of %u operations (%s %s), %u of %u changes of names and %u of %u of bytes lost\n",
      end, disk->log->len, last ? DISK_OP_NAMES[last->op.kind] : "none", last ? last->path : "",
      lost[0], total[0], lost[1], total[1]);
}

static void
cut_power (DiskChanges *disk, guint seed, gboolean is_ordered, gboolean is_all)
{
  PowerCut cut = { .disk = disk, .random = g_rand_new_with_seed (seed) };

  choose (&cut, is_ordered, is_all);
  for (guint i = 0; i < disk->list->len; i++)
    apply (&cut, &g_array_index (disk->list, Change, i));
  g_rand_free (cut.random);
}

int
main (int argc, char **argv)
{
  gboolean is_ordered = FALSE, is_all = FALSE, is_count = FALSE, is_to_sync = FALSE;
  gint seed = 0, after = G_MAXINT;
  const GOptionEntry entries[] = {
    { "after", 0, 0, G_OPTION_ARG_INT, &after, "That many operations are done [all]", "N" },
    { "all", 0, 0, G_OPTION_ARG_NONE, &is_all, "Nothing is lost", NULL },
    { "count", 0, 0, G_OPTION_ARG_NONE, &is_count, "Print the number of operations", NULL },
    { "ordered", 0, 0, G_OPTION_ARG_NONE, &is_ordered, "Names change in order", NULL },
    { "to-sync", 0, 0, G_OPTION_ARG_NONE, &is_to_sync,
      "And those that follow until a sync is about to be done", NULL },
    { "seed", 0, 0, G_OPTION_ARG_INT, &seed, "What is lost", "N" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[BEFORE] LOG [AFTER]");
  g_autoptr (GError) error = NULL;
  char *text;
  gsize size;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != (is_count ? 2 : 4)
      || !g_file_get_contents (argv[is_count ? 1 : 2], &text, &size, &error))
    {
      fprintf (stderr, "power-cut: %s\n", error ? error->message : "see its source for its usage");
      return 2;
    }
  g_autoptr (GBytes) log = g_bytes_new_take (text, size);
  if (is_count)
    {
      printf ("%u\n", disk_log_count (log));
      return 0;
    }
  if (is_to_sync)
    after = (gint)disk_log_until_sync (log, (guint)after);
  g_autoptr (DiskChanges) disk = disk_changes_new (log, disk_tree_load (argv[1]), (guint)after);
  cut_power (disk, (guint)seed, is_ordered, is_all);
  disk_tree_write (disk->tree, argv[3]);
  report (disk, (guint)after);
  return 0;
}
