// SPDX-License-Identifier: GPL-2.0-or-later
// How complete the versions of this host are: how many bytes of each one's disk are not in its
// store.

#include "completeness.h"

#include <string.h>

#include "qcow-backing/fail.h"

// A complete version is looked at again after so long: gc or a failing disk may have taken of it.
#define AGAIN_SECONDS 3600

// Looking for a chunk of a version that was never counted counts as so much less.
#define NEW_FACTOR 10

/* The last four are the scan's own.  */
typedef struct
{
  char *ref, *image;
  guint version;
  gboolean is_counted;   // from the first chunk to the last, at least once
  guint64 missing_bytes; // of the chunks whose bit is set
  guint8 *is_missing;    // a bit for each chunk of the index; NULL before the first look
  gsize next;            // chunk to look for
  gint64 passed_us;      // when that last went over the end
  gboolean is_present;   // in the library, when it was last listed
} Counted;

struct Completeness
{
  ImageLibrary *library;
  GMutex scan_lock;  // held while chunks are looked for; taken before LOCK
  GMutex lock;       // guards what follows
  GHashTable *table; // ref, owned by the value -> Counted *
};

static void
counted_free (gpointer data)
{
  Counted *counted = data;

  g_free (counted->ref);
  g_free (counted->image);
  g_free (counted->is_missing);
  g_free (counted);
}

Completeness *
completeness_new (ImageLibrary *library)
{
  Completeness *completeness = g_new0 (Completeness, 1);

  completeness->library = library;
  completeness->table = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, counted_free);
  g_mutex_init (&completeness->scan_lock);
  g_mutex_init (&completeness->lock);
  return completeness;
}

void
completeness_free (Completeness *completeness)
{
  if (!completeness)
    return;
  g_hash_table_unref (completeness->table);
  g_mutex_clear (&completeness->scan_lock);
  g_mutex_clear (&completeness->lock);
  g_free (completeness);
}

/* The entry of IMAGE@VERSION, made where there is none.  */
static Counted *
get_counted (Completeness *completeness, const char *image, guint version)
{
  g_autofree char *ref = g_strdup_printf ("%s@%u", image, version);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&completeness->lock);
  Counted *counted = g_hash_table_lookup (completeness->table, ref);

  if (!counted)
    {
      counted = g_new0 (Counted, 1);
      counted->ref = g_steal_pointer (&ref);
      counted->image = g_strdup (image);
      counted->version = version;
      g_hash_table_insert (completeness->table, counted->ref, counted);
    }
  counted->is_present = TRUE;
  return counted;
}

static gboolean
is_gone (gpointer ref, gpointer value, gpointer data)
{
  return !((Counted *)value)->is_present;
}

/* Bring the table's entries in line with the versions of the library.  */
static void
list_versions (Completeness *completeness)
{
  g_autoptr (GPtrArray) images = image_library_images (completeness->library, NULL);
  GHashTableIter iter;
  gpointer counted;

  g_hash_table_iter_init (&iter, completeness->table);
  while (g_hash_table_iter_next (&iter, NULL, &counted))
    ((Counted *)counted)->is_present = FALSE;
  for (guint i = 0; images && i < images->len; i++)
    {
      g_autoptr (GArray) versions =
          image_library_versions (completeness->library, images->pdata[i], NULL);
      for (guint j = 0; versions && j < versions->len; j++)
        get_counted (completeness, images->pdata[i], g_array_index (versions, guint, j));
    }
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&completeness->lock);
  g_hash_table_foreach_remove (completeness->table, is_gone, NULL);
}

/* Look for chunk I of INDEX; what that changes of the missing bytes.  */
static gint64
look_for (Counted *counted, ChunkStore *store, const Index *index, gsize i)
{
  guint8 bit = (guint8)(1u << (i % 8));
  gboolean was_missing = (counted->is_missing[i / 8] & bit) != 0;
  gboolean is_missing =
      !index_chunk_is_zero (index, i) && !chunk_store_has (store, index_chunk_id (index, i));
  gint64 size = (gint64)index_chunk_size (index, i);

  if (is_missing == was_missing)
    return 0;
  counted->is_missing[i / 8] ^= bit;
  return is_missing ? size : -size;
}

/* Note that COUNTED was looked at up to END of N, which changed what is missing.  */
static void
note (Completeness *completeness, Counted *counted, gsize end, gsize n, gint64 change)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&completeness->lock);

  counted->next = end == n ? 0 : end;
  counted->missing_bytes = (guint64)((gint64)counted->missing_bytes + change);
  if (end == n)
    {
      counted->is_counted = TRUE;
      counted->passed_us = g_get_monotonic_time ();
    }
}

/* Look for up to BUDGET chunks of COUNTED, from where it was left; the number that were looked for.
 */
static gsize
look_on (Completeness *completeness, Counted *counted, gsize budget, GError **error)
{
  g_autoptr (ImageVersion) version =
      image_library_load (completeness->library, counted->image, counted->version, error);
  ChunkStore *store = image_library_store (completeness->library);
  gsize first = counted->next;
  gint64 change = 0;

  if (!version)
    return 0;
  gsize n = index_n_chunks (version->index);
  gsize end = first + MIN (n - first, budget);
  if (!counted->is_missing)
    counted->is_missing = g_malloc0 ((n + 7) / 8);
  for (gsize i = first; i < end; i++)
    change += look_for (counted, store, version->index, i);
  note (completeness, counted, end, n, change);
  return end - first;
}

/* How urgent it is to look at COUNTED: 0 for not at all.  */
static guint
urgency (const Counted *counted, gint64 now_us)
{
  if (!counted->is_counted)
    return 3;
  if (counted->missing_bytes > 0 || counted->next > 0)
    return 2;
  return now_us - counted->passed_us > (gint64)AGAIN_SECONDS * G_USEC_PER_SEC ? 1 : 0;
}

/* Whether A is to be looked at before B.  */
static gboolean
goes_before (const Counted *a, const Counted *b, gint64 now_us)
{
  guint urgency_a = urgency (a, now_us), urgency_b = urgency (b, now_us);

  if (urgency_a != urgency_b)
    return urgency_a > urgency_b;
  return a->passed_us != b->passed_us ? a->passed_us < b->passed_us : a->version > b->version;
}

/* What is to be looked at next, but for those of DONE, a set of them; NULL where there is nothing
   to do.  */
static Counted *
choose (Completeness *completeness, GHashTable *done)
{
  gint64 now_us = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer counted;
  Counted *best = NULL;

  g_hash_table_iter_init (&iter, completeness->table);
  while (g_hash_table_iter_next (&iter, NULL, &counted))
    if (!g_hash_table_contains (done, counted) && urgency (counted, now_us) > 0
        && (!best || goes_before (counted, best, now_us)))
      best = counted;
  return best;
}

void
completeness_scan (Completeness *completeness, guint budget)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&completeness->scan_lock);
  g_autoptr (GHashTable) done = g_hash_table_new (NULL, NULL);
  Counted *counted;
  gsize left = (gsize)budget * NEW_FACTOR;

  list_versions (completeness);
  while (left > 0 && (counted = choose (completeness, done)))
    {
      gsize factor = counted->is_counted ? NEW_FACTOR : 1;
      g_autoptr (GError) error = NULL;
      gsize looked = look_on (completeness, counted, MAX (left / factor, 1), &error);
      left -= MIN (left, looked * factor);
      if (error)
        g_debug ("%s is not counted: %s", counted->ref, error->message);
      g_hash_table_add (done, counted);
    }
}

gboolean
completeness_count (Completeness *completeness, const char *image, guint version,
                    guint64 *missing_bytes, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&completeness->scan_lock);
  Counted *counted = get_counted (completeness, image, version);
  g_autoptr (GError) local_error = NULL;

  counted->next = 0;
  look_on (completeness, counted, G_MAXSIZE, &local_error);
  if (local_error)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  *missing_bytes = counted->missing_bytes;
  return TRUE;
}

gboolean
completeness_get (Completeness *completeness, const char *ref, guint64 *missing_bytes)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&completeness->lock);
  const Counted *counted = g_hash_table_lookup (completeness->table, ref);

  if (!counted || !counted->is_counted)
    return FALSE;
  *missing_bytes = counted->missing_bytes;
  return TRUE;
}

static int
compare_versions (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const HostVersion *const *)a)->ref, (*(const HostVersion *const *)b)->ref);
}

GPtrArray *
completeness_versions (Completeness *completeness)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&completeness->lock);
  GPtrArray *versions = g_ptr_array_new_with_free_func ((GDestroyNotify)host_version_free);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, completeness->table);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Counted *counted = value;
      if (counted->is_counted && versions->len < HOST_VERSIONS_MAX)
        g_ptr_array_add (versions, host_version_new (counted->ref, counted->missing_bytes));
    }
  g_ptr_array_sort (versions, compare_versions);
  return versions;
}
