// SPDX-License-Identifier: GPL-2.0-or-later
// Collecting: versions that nobody needs go, and the chunks that only they had.
//
// The store's lock keeps publishers out for all of it.  The pins' lock is held only while versions are
// chosen and removed, so that starting a desktop never waits for the sweep.  A version goes record
// first: what has no record does not exist.

#include "gc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "chunk-staging.h"
#include "fail.h"
#include "image-name.h"
#include "pins.h"

typedef struct
{
  ImageLibrary *library;
  const GcOptions *options;
  const gint *cancelled;
  GcResult *result;
  GHashTable *pins;    // IMAGE@VERSION
  GHashTable *needed;  // ChunkId *, owned
  GPtrArray *doomed;   // IMAGE@VERSION
  GPtrArray *unneeded; // ChunkId *, owned
} Gc;

/* Whether somebody has the index of IMAGE@VERSION open.  */
static gboolean
is_being_read (const ImageLibrary *library, const char *image, guint version)
{
  g_autofree char *path = image_library_version_path (library, image, version, ".caibx");
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  gboolean locked = fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

  if (fd >= 0)
    close (fd);
  return locked;
}

static void
add_needed (Gc *gc, const ChunkId *id)
{
  if (!g_hash_table_contains (gc->needed, id))
    g_hash_table_add (gc->needed, g_memdup2 (id, sizeof *id));
}

static gboolean
keep_version (Gc *gc, const char *image, guint number, GError **error)
{
  g_autoptr (ImageVersion) version = image_library_load (gc->library, image, number, error);

  if (!version)
    {
      g_prefix_error (error, "%s@%u cannot be read, so which chunks it needs is not known and nothing "
                      "was removed; `gild verify` says more: ", image, number);
      return FALSE;
    }
  for (gsize i = 0; i < index_n_chunks (version->index); i++)
    add_needed (gc, index_chunk_id (version->index, i));
  for (guint i = 0; i < version->record->index_chunks->len; i++)
    add_needed (gc, &g_array_index (version->record->index_chunks, ChunkId, i));
  return TRUE;
}

/* Decide on every version of IMAGE.  */
static gboolean
choose_versions (Gc *gc, const char *image, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ChannelRecord) channels
      = image_library_load_channels (gc->library, image, &local_error);
  g_autoptr (GArray) versions = NULL;

  if (local_error)
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&local_error), "nothing was removed: ");
      return FALSE;
    }
  versions = image_library_versions (gc->library, image, error);
  for (guint i = 0; versions && i < versions->len; i++)
    {
      guint version = g_array_index (versions, guint, i);
      g_autofree char *name = g_strdup_printf ("%s@%u", image, version);
      g_autofree char *named = channels ? channel_record_names_of (channels, version) : g_strdup ("");
      gboolean is_new = versions->len - i <= gc->options->keep;
      if (!is_new && !*named && !g_hash_table_contains (gc->pins, name)
          && !is_being_read (gc->library, image, version))
        g_ptr_array_add (gc->doomed, g_steal_pointer (&name));
      else if (!keep_version (gc, image, version, error))
        return FALSE;
    }
  return versions != NULL;
}

static gboolean
remove_version (Gc *gc, const char *name, GError **error)
{
  static const char *const SUFFIXES[] = { ".json.sig", ".json", ".caibx" }; // in this order
  g_autofree char *image = NULL;
  guint version;

  if (!image_ref_parse (name, &image, &version, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (SUFFIXES); i++)
    {
      g_autofree char *path = image_library_version_path (gc->library, image, version, SUFFIXES[i]);
      if (unlink (path) < 0 && errno != ENOENT)
        return fail_errno (error, "remove %s", path);
    }
  return TRUE;
}

static gboolean
choose_and_remove_versions (Gc *gc, GError **error)
{
  g_autoptr (GPtrArray) images = image_library_images (gc->library, error);

  for (guint i = 0; images && i < images->len; i++)
    if (!choose_versions (gc, images->pdata[i], error))
      return FALSE;
  for (guint i = 0; images && i < gc->doomed->len; i++)
    if (!gc->options->dry_run && !remove_version (gc, gc->doomed->pdata[i], error))
      return FALSE;
  return images != NULL;
}

/* The same under the pins' lock, where desktops can run at all.  */
static gboolean
collect_versions (Gc *gc, const Config *config, GError **error)
{
  g_autofree char *desktops = config_run_path (config, "desktops", NULL);
  int lock = -1;

  if (g_file_test (desktops, G_FILE_TEST_IS_DIR))
    {
      lock = pins_lock (config, error);
      if (lock < 0)
        return FALSE;
    }
  gc->pins = pins_load (config, error);
  gboolean ok = gc->pins && choose_and_remove_versions (gc, error);
  if (lock >= 0)
    close (lock);
  return ok;
}

/* Whether NAME, in an image's directory, is what a crashed publish left there: a temporary file of
   file_write_durably, or a file of a version without its signed record.  */
static gboolean
is_litter (const char *directory, const char *name)
{
  static const char *const SUFFIXES[] = { ".json.sig", ".json", ".caibx" };

  for (gsize i = 0; i < G_N_ELEMENTS (SUFFIXES); i++)
    {
      const char *suffix = strstr (name, SUFFIXES[i]);
      const char *rest = suffix ? suffix + strlen (SUFFIXES[i]) : NULL;
      if (!rest || (*rest && !(strlen (rest) == 7 && rest[0] == '.')))
        continue;
      g_autofree char *number = g_strndup (name, (gsize)(suffix - name));
      g_autofree char *record = g_strdup_printf ("%s/%s.json.sig", directory, number);
      guint version;
      if (*rest)
        return !g_str_equal (rest, ".sig");
      return version_parse (number, &version, NULL) && !g_file_test (record, G_FILE_TEST_EXISTS);
    }
  return FALSE;
}

static void
remove_litter (const ImageLibrary *library, const char *image)
{
  g_autofree char *path = image_library_path (library, image, NULL);
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  const char *name;

  while (directory && (name = g_dir_read_name (directory)))
    if (is_litter (path, name))
      {
        g_autofree char *file = g_build_filename (path, name, NULL);
        if (unlink (file) < 0)
          g_message ("remove %s: %s", file, g_strerror (errno));
      }
}

static gboolean
note_unneeded (const ChunkId *id, gpointer data, GError **error)
{
  Gc *gc = data;

  if (!g_hash_table_contains (gc->needed, id))
    g_ptr_array_add (gc->unneeded, g_memdup2 (id, sizeof *id));
  return !(gc->cancelled && g_atomic_int_get (gc->cancelled))
         || fail_code (error, G_IO_ERROR_CANCELLED, "interrupted; the next gc goes on");
}

static gboolean
sweep_chunks (Gc *gc, GError **error)
{
  ChunkStore *store = image_library_store (gc->library);
  guint64 freed = 0;

  if (!chunk_store_foreach (store, note_unneeded, gc, error))
    return FALSE;
  gc->result->chunks = gc->unneeded->len;
  for (guint i = 0; !gc->options->dry_run && i < gc->unneeded->len; i++)
    {
      if (!chunk_store_remove (store, gc->unneeded->pdata[i], &freed, error))
        return FALSE;
      gc->result->freed_bytes += freed;
    }
  return TRUE;
}

static gboolean
sweep_litter (Gc *gc, GError **error)
{
  g_autoptr (GPtrArray) images = NULL;
  guint staged;

  if (gc->options->dry_run)
    return TRUE;
  images = image_library_images (gc->library, error);
  for (guint i = 0; images && i < images->len; i++)
    remove_litter (gc->library, images->pdata[i]);
  return images && chunk_staging_sweep (image_library_store (gc->library), &staged, error);
}

gboolean
gc_run (const Config *config, ImageLibrary *library, const GcOptions *options,
        const gint *cancelled, GcResult *result, GError **error)
{
  Gc gc = { .library = library, .options = options, .cancelled = cancelled, .result = result };

  *result = (GcResult){ .versions = g_ptr_array_new_with_free_func (g_free) };
  int lock = chunk_store_lock (image_library_store (library), CHUNK_STORE_LOCK_COLLECT, error);
  if (lock < 0)
    return FALSE;
  gc.needed = g_hash_table_new_full (chunk_id_hash, chunk_id_equal, g_free, NULL);
  gc.doomed = result->versions;
  gc.unneeded = g_ptr_array_new_with_free_func (g_free);
  gboolean ok = collect_versions (&gc, config, error) && sweep_litter (&gc, error)
                && sweep_chunks (&gc, error);
  g_clear_pointer (&gc.pins, g_hash_table_unref);
  g_hash_table_unref (gc.needed);
  g_ptr_array_unref (gc.unneeded);
  close (lock);
  return ok;
}

void
gc_result_clear (GcResult *result)
{
  g_clear_pointer (&result->versions, g_ptr_array_unref);
}
