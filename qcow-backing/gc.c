// SPDX-License-Identifier: GPL-2.0-or-later
// Collecting: versions that nobody needs go, and the chunks that only they had.
//
// The store's lock keeps publishers out for all of it.  Versions are chosen, and the indexes of
// those that stay are read, before the pins' lock is taken: starting a desktop waits only while
// records are unlinked.  A version goes signed record first, and durably so before anything else
// goes: what has no record does not exist, and its other files are litter.

#include "gc.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check-results.h"
#include "chunk-removal.h"
#include "chunk-set.h"
#include "chunk-staging.h"
#include "damaged-chunks.h"
#include "fail.h"
#include "file-write.h"
#include "litter.h"
#include "pins.h"

/* A version that is to go.  Its index is locked, so that nobody opens it any more.  */
typedef struct
{
  char *image, *name; // name: IMAGE@VERSION
  guint version;
  int index_fd; // -1 where there is no index, or nothing to be removed
} Doomed;

/* A version that stays only because of keep=.  */
typedef struct
{
  char *image;
  guint version;
  char *created; // ISO 8601
} Spare;

typedef struct
{
  const Config *config;
  ImageLibrary *library;
  const GcOptions *options;
  guint64 limit_bytes; // 0: none
  const gint *cancelled;
  GcResult *result;
  GHashTable *pins; // IMAGE@VERSION
  ChunkSet *needed;
  GPtrArray *spares; // Spare *, owned
  GPtrArray *doomed; // Doomed *, owned
  GArray *unneeded;  // of ChunkId
} Gc;

static void
doomed_free (gpointer data)
{
  Doomed *doomed = data;

  if (doomed->index_fd >= 0)
    close (doomed->index_fd);
  g_free (doomed->image);
  g_free (doomed->name);
  g_free (doomed);
}

/* IMAGE@VERSION with its index locked; NULL if somebody has it open.  */
static Doomed *
doom (const ImageLibrary *library, const char *image, guint version, gboolean dry_run)
{
  g_autofree char *path = image_library_version_path (library, image, version, ".caibx");
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

  if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) < 0)
    {
      close (fd);
      return NULL;
    }
  if (fd >= 0 && dry_run)
    {
      close (fd);
      fd = -1;
    }
  Doomed *doomed = g_new (Doomed, 1);
  *doomed = (Doomed){ g_strdup (image), g_strdup_printf ("%s@%u", image, version), version, fd };
  return doomed;
}

static void
spare_free (gpointer data)
{
  Spare *spare = data;

  g_free (spare->image);
  g_free (spare->created);
  g_free (spare);
}

/* The chunks of version NUMBER of IMAGE, and of its index, go into SET.  */
static gboolean
add_chunks (Gc *gc, const char *image, guint number, ChunkSet *set, GError **error)
{
  g_autoptr (ImageVersion) version = image_library_load (gc->library, image, number, error);

  if (!version)
    {
      g_prefix_error (
          error,
          "%s@%u cannot be read, so which chunks it needs is not known and nothing was removed; `gild verify` says more: ",
          image, number);
      return FALSE;
    }
  for (gsize i = 0; i < index_n_chunks (version->index); i++)
    chunk_set_add (set, index_chunk_id (version->index, i));
  for (guint i = 0; i < version->record->index_chunks->len; i++)
    chunk_set_add (set, &g_array_index (version->record->index_chunks, ChunkId, i));
  return TRUE;
}

static gboolean
keep_version (Gc *gc, const char *image, guint number, GError **error)
{
  return add_chunks (gc, image, number, gc->needed, error);
}

static gboolean
choose_version (Gc *gc, const char *image, guint version, gboolean is_needed, gboolean is_recent,
                GError **error)
{
  Doomed *doomed = NULL;

  if (is_recent && !is_needed && gc->limit_bytes > 0)
    {
      g_autoptr (VersionRecord) record =
          image_library_load_record (gc->library, image, version, error);
      if (!record)
        return FALSE;
      Spare *spare = g_new (Spare, 1);
      *spare = (Spare){ g_strdup (image), version, g_strdup (record->created) };
      g_ptr_array_add (gc->spares, spare);
      return TRUE;
    }
  if (!is_recent && !is_needed)
    doomed = doom (gc->library, image, version, gc->options->dry_run);
  if (!doomed)
    return keep_version (gc, image, version, error);
  g_ptr_array_add (gc->doomed, doomed);
  return TRUE;
}

/* When version NUMBER of IMAGE was made, for retention_count; a record that cannot be read does not
   say it.  */
static gint64
time_made (const Gc *gc, const char *image, guint number)
{
  g_autoptr (VersionRecord) record = image_library_load_record (gc->library, image, number, NULL);
  g_autoptr (GDateTime) made = record ? g_date_time_new_from_iso8601 (record->created, NULL) : NULL;

  return made ? g_date_time_to_unix (made) : G_MAXINT64;
}

/* How many of VERSIONS of IMAGE stay without being needed.  */
static guint
count_recent (const Gc *gc, const char *image, GArray *versions)
{
  const Retention *keep =
      gc->options->keep ? gc->options->keep : &config_image (gc->config, image)->keep;
  g_autofree gint64 *made = g_new0 (gint64, versions->len + 1);

  for (guint i = 0; keep->days > 0 && i < versions->len; i++)
    made[i] = time_made (gc, image, g_array_index (versions, guint, i));
  return retention_count (keep, made, versions->len, g_get_real_time () / G_USEC_PER_SEC);
}

/* Whether another host runs NAME, for which this one may have to have its chunks.  */
static gboolean
is_elsewhere (const Gc *gc, const char *image, const char *name)
{
  return gc->options->elsewhere && origin_keeps (image_library_origin (gc->library), image)
         && g_hash_table_contains (gc->options->elsewhere, name);
}

/* Decide on every version of IMAGE.  */
static gboolean
choose_versions (Gc *gc, const char *image, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ChannelRecord) channels =
      image_library_load_channels (gc->library, image, &local_error);
  g_autoptr (GArray) versions = NULL;

  if (local_error)
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&local_error), "nothing was removed: ");
      return FALSE;
    }
  versions = image_library_versions (gc->library, image, error);
  guint recent = versions ? count_recent (gc, image, versions) : 0;
  for (guint i = 0; versions && i < versions->len; i++)
    {
      guint version = g_array_index (versions, guint, i);
      g_autofree char *name = g_strdup_printf ("%s@%u", image, version);
      g_autofree char *named =
          channels ? channel_record_names_of (channels, version) : g_strdup ("");
      gboolean is_needed =
          *named || g_hash_table_contains (gc->pins, name) || is_elsewhere (gc, image, name);
      if (!choose_version (gc, image, version, is_needed, versions->len - i <= recent, error))
        return FALSE;
    }
  return versions != NULL;
}

static int
compare_newest_first (gconstpointer a, gconstpointer b)
{
  const Spare *x = *(const Spare *const *)a, *y = *(const Spare *const *)b;
  int by_date = strcmp (y->created, x->created);

  if (by_date)
    return by_date;
  return x->version != y->version ? (x->version < y->version) - (x->version > y->version)
                                  : strcmp (x->image, y->image);
}

/* Bytes on the disk of what the store has of the chunks in SET that are not in BUT.  */
static guint64
bytes_of (const Gc *gc, const ChunkSet *set, const ChunkSet *but)
{
  guint64 bytes = 0;

  for (guint32 i = 0; i < chunk_set_count (set); i++)
    {
      const ChunkId *id = chunk_set_get (set, i);
      char file[CHUNK_FILE_SIZE];
      struct stat status;
      chunk_store_file (id, file);
      if ((!but || !chunk_set_has (but, id))
          && fstatat (chunk_store_fd (image_library_store (gc->library)), file, &status, 0) == 0)
        bytes += (guint64)status.st_blocks * 512;
    }
  return bytes;
}

/* Keep the newest spares while there is room for them, and doom the others.  */
static gboolean
choose_spares (Gc *gc, GError **error)
{
  guint64 bytes = gc->spares->len > 0 ? bytes_of (gc, gc->needed, NULL) : 0;
  gboolean is_full = FALSE;

  g_ptr_array_sort (gc->spares, compare_newest_first);
  for (guint i = 0; i < gc->spares->len; i++)
    {
      const Spare *spare = gc->spares->pdata[i];
      g_autoptr (ChunkSet) chunks = chunk_set_new ();
      if (!add_chunks (gc, spare->image, spare->version, chunks, error))
        return FALSE;
      bytes += bytes_of (gc, chunks, gc->needed);
      is_full = is_full || bytes > gc->limit_bytes;
      if (!choose_version (gc, spare->image, spare->version, !is_full, FALSE, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
choose_all (Gc *gc, GError **error)
{
  g_autoptr (GPtrArray) images = image_library_images (gc->library, error);

  gc->pins = images ? pins_load (gc->config, error) : NULL;
  for (guint i = 0; gc->pins && i < images->len; i++)
    if (!choose_versions (gc, images->pdata[i], error))
      return FALSE;
  return gc->pins != NULL && choose_spares (gc, error);
}

static gboolean
remove_record (Gc *gc, const Doomed *doomed, GError **error)
{
  g_autofree char *path =
      image_library_version_path (gc->library, doomed->image, doomed->version, ".json.sig");

  return unlink (path) == 0 || fail_errno (error, "remove %s", path);
}

/* Remove the doomed, but those that were pinned since they were chosen: PINS is newer than
 * gc->pins.  */
static gboolean
remove_unpinned (Gc *gc, GHashTable *pins, GError **error)
{
  for (guint i = 0; i < gc->doomed->len; i++)
    {
      const Doomed *doomed = gc->doomed->pdata[i];
      if (g_hash_table_contains (pins, doomed->name))
        {
          if (doomed->index_fd >= 0)
            flock (doomed->index_fd, LOCK_UN);
          if (!keep_version (gc, doomed->image, doomed->version, error))
            return FALSE;
          continue;
        }
      if (!gc->options->dry_run && !remove_record (gc, doomed, error))
        return FALSE;
      g_ptr_array_add (gc->result->versions, g_strdup (doomed->name));
    }
  return TRUE;
}

/* Under the pins' lock, where desktops can run at all.  */
static gboolean
remove_versions (Gc *gc, GError **error)
{
  g_autofree char *desktops = config_run_path (gc->config, "desktops", NULL);
  int lock = -1;

  if (g_file_test (desktops, G_FILE_TEST_IS_DIR) && (lock = pins_lock (gc->config, error)) < 0)
    return FALSE;
  g_autoptr (GHashTable) pins = pins_load (gc->config, error);
  gboolean ok = pins && remove_unpinned (gc, pins, error);
  if (lock >= 0)
    close (lock);
  return ok;
}

static gboolean
note_unneeded (const ChunkId *id, gpointer data, GError **error)
{
  Gc *gc = data;

  if (!chunk_set_has (gc->needed, id))
    g_array_append_val (gc->unneeded, *id);
  return !(gc->cancelled && g_atomic_int_get (gc->cancelled))
         || fail_code (error, G_IO_ERROR_CANCELLED, "interrupted; the next gc goes on");
}

static gboolean
sweep_chunks (Gc *gc, GError **error)
{
  ChunkStore *store = image_library_store (gc->library);

  if (!chunk_store_foreach (store, note_unneeded, gc, error))
    return FALSE;
  gc->result->chunks = gc->unneeded->len;
  return gc->options->dry_run
         || chunk_removal_run (store, gc->unneeded, gc->cancelled, &gc->result->freed_bytes, error);
}

/* Forget chunk ID, which is set aside, where a good one is in its place or nobody needs it.  */
static gboolean
sweep_damaged_chunk (const ChunkId *id, gpointer data, GError **error)
{
  Gc *gc = data;
  ChunkStore *store = image_library_store (gc->library);
  g_autoptr (GError) local_error = NULL;

  if ((chunk_store_keeps (store, id) || !chunk_set_has (gc->needed, id))
      && !damaged_chunk_forget (store, id, &local_error))
    g_message ("%s", local_error->message);
  return TRUE;
}

static gboolean
sweep_damaged (Gc *gc, GError **error)
{
  return gc->options->dry_run
         || damaged_chunks_foreach (image_library_store (gc->library), sweep_damaged_chunk, gc,
                                    error);
}

/* Not before it is sure that no power cut brings a record back, also one that a gc which crashed
   has removed.  */
static gboolean
sweep_litter (Gc *gc, GError **error)
{
  g_autofree char *images = image_library_path (gc->library, "", NULL);

  return file_system_sync (images, error) && litter_sweep (gc->library, error)
         && check_results_sweep (gc->config, gc->library, error);
}

gboolean
gc_run (const Config *config, ImageLibrary *library, const GcOptions *options,
        const gint *cancelled, GcResult *result, GError **error)
{
  Gc gc = { .config = config,
            .library = library,
            .options = options,
            .cancelled = cancelled,
            .result = result };

  *result = (GcResult){ .versions = g_ptr_array_new_with_free_func (g_free) };
  int lock = chunk_store_lock (image_library_store (library), CHUNK_STORE_LOCK_COLLECT, error);
  if (lock < 0)
    return FALSE;
  gc.needed = chunk_set_new ();
  if (!origin_keeps_any (image_library_origin (library)))
    gc.limit_bytes = options->limit_bytes;
  gc.spares = g_ptr_array_new_with_free_func (spare_free);
  gc.doomed = g_ptr_array_new_with_free_func (doomed_free);
  gc.unneeded = g_array_new (FALSE, FALSE, sizeof (ChunkId));
  gboolean ok = choose_all (&gc, error) && remove_versions (&gc, error)
                && (options->dry_run || sweep_litter (&gc, error)) && sweep_chunks (&gc, error)
                && sweep_damaged (&gc, error);
  g_clear_pointer (&gc.pins, g_hash_table_unref);
  chunk_set_free (gc.needed);
  g_ptr_array_unref (gc.spares);
  g_ptr_array_unref (gc.doomed);
  g_array_unref (gc.unneeded);
  close (lock);
  return ok;
}

void
gc_result_clear (GcResult *result)
{
  g_clear_pointer (&result->versions, g_ptr_array_unref);
}
