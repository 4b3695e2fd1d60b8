// SPDX-License-Identifier: GPL-2.0-or-later
// Repairing: what verify finds is mended where its bytes are still there, and set aside where not.
//
// Three steps, each sound in itself, since between them the store's lock is let go.  First records
// and indexes, since only an index says which chunks there must be; then verify_run reads all
// chunks; then those that it found bad are looked at once more and mended.

#include "repair.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "damaged-chunks.h"
#include "fail.h"
#include "file-write.h"
#include "record-file.h"

typedef struct
{
  ImageLibrary *library;
  const char *image; // what to mend, as repair_run has it
  guint version;
  ChunkStaging *staging; // of rebuilt chunks; NULL while there are none
  GPtrArray *mended;     // sentences, true once STAGING is committed
  GHashTable *remedies;  // IMAGE or IMAGE@VERSION -> what to do about what could not be mended
  GHashTable *lacking;   // set of ChunkId *, owned: chunks that are gone
  GPtrArray *problems;   // sentences
} Repair;

static void add_sentence (GPtrArray *sentences, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
add_sentence (GPtrArray *sentences, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_ptr_array_add (sentences, g_strdup_vprintf (format, args));
  va_end (args);
}

typedef gboolean (*VersionFunc) (Repair *repair, const char *image, guint version, const char *name,
                                 GError **error);

/* Call FUNC for each version of IMAGE that REPAIR is about; its name is IMAGE@VERSION.  */
static gboolean
foreach_version (Repair *repair, const char *image, VersionFunc func, GError **error)
{
  g_autoptr (GArray) versions = image_library_versions (repair->library, image, error);

  for (guint i = 0; versions && i < versions->len; i++)
    {
      guint version = g_array_index (versions, guint, i);
      g_autofree char *name = g_strdup_printf ("%s@%u", image, version);
      if ((repair->version == 0 || repair->version == version)
          && !func (repair, image, version, name, error))
        return FALSE;
    }
  return versions != NULL;
}

static GPtrArray *
images (const Repair *repair, GError **error)
{
  if (!repair->image)
    return image_library_images (repair->library, error);
  GPtrArray *one = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (one, g_strdup (repair->image));
  return one;
}

/* Write the text of the record at PATH anew if it is not what was signed.  */
static void
mend_text (Repair *repair, const char *name, const char *path)
{
  const PublicKey *key = image_library_public_key (repair->library);
  g_autoptr (GError) error = NULL;

  if (record_file_is_consistent (path, key, NULL))
    return;
  if (record_file_mend (path, key, &error))
    add_sentence (repair->mended, "%s: %s is written anew from what was signed", name, path);
  else
    g_hash_table_insert (repair->remedies, g_strdup (name), g_strdup (error->message));
}

static void
add_record_remedy (Repair *repair, const char *name, const char *path)
{
  g_hash_table_insert (
      repair->remedies, g_strdup (name),
      g_strdup_printf (
          "there is no other copy of what is signed: put %s.sig back from a backup, or remove it and publish again",
          path));
}

/* Make those chunks of INDEX itself anew that the store has not, or not whole.  */
static gboolean
rebuild_index_chunks (Repair *repair, const char *name, const ImageVersion *version, GError **error)
{
  ChunkStore *store = image_library_store (repair->library);
  GArray *chunks = version->record->index_chunks;
  gsize size;
  const guint8 *data = index_data (version->index, &size);

  for (guint i = 0; i < chunks->len; i++)
    {
      const ChunkId *id = &g_array_index (chunks, ChunkId, i);
      gsize start = (gsize)i * CHUNK_SIZE;
      g_autoptr (GError) problem = NULL;
      if (chunk_store_check (store, id, &problem))
        continue;
      if (!damaged_chunk_rebuild (store, id, data + start, MIN (CHUNK_SIZE, size - start),
                                  &repair->staging, error))
        return FALSE;
      add_sentence (repair->mended, "%s: %s: it is made anew from the index", name,
                    problem->message);
    }
  return TRUE;
}

/* Write SIZE bytes at DATA over the regular file that FD is open for writing on.  */
static gboolean
overwrite (int fd, const guint8 *data, gsize size)
{
  gssize n = 0;

  for (gsize done = 0; done < size; done += (gsize)MAX (n, 0))
    if ((n = pwrite (fd, data + done, size - done, (off_t)done)) < 0 && errno != EINTR)
      return FALSE;
  return ftruncate (fd, (off_t)size) == 0 && fsync (fd) == 0;
}

/* An index that is there is overwritten and not replaced: who has it open, and holds gc off by its
   lock, has the good one then too.  Until all is written it is as damaged as it was.  */
static gboolean
write_index (const char *path, const guint8 *data, gsize size, GError **error)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status;

  if (fd < 0 && errno == EISDIR)
    rmdir (path); // if it is empty; else the error says what it is
  gboolean is_file = fd >= 0 && fstat (fd, &status) == 0 && S_ISREG (status.st_mode);
  gboolean ok = is_file ? overwrite (fd, data, size) || fail_errno (error, "write %s", path)
                        : file_write_durably (path, data, size, 0640, error);
  if (fd >= 0)
    close (fd);
  return ok;
}

/* The index of RECORD, put together from its chunks; NULL if *LACKING of them are not there.  */
static guint8 *
index_from_chunks (ChunkStore *store, const VersionRecord *record, guint *lacking)
{
  g_autofree guint8 *data = g_try_malloc (record->index_size);
  guint8 buffer[CHUNK_SIZE];

  *lacking = data ? 0 : record->index_chunks->len;
  for (guint i = 0; data && i < record->index_chunks->len; i++)
    {
      guint64 start = (guint64)i * CHUNK_SIZE;
      gsize wanted = (gsize)MIN (CHUNK_SIZE, record->index_size - start), size = wanted;
      if (damaged_chunk_salvage (store, &g_array_index (record->index_chunks, ChunkId, i), buffer,
                                 &size)
          && size == wanted)
        memcpy (data + start, buffer, size);
      else
        (*lacking)++;
    }
  return *lacking ? NULL : g_steal_pointer (&data);
}

static void
rebuild_index (Repair *repair, const char *name, const char *path, const VersionRecord *record)
{
  ChunkStore *store = image_library_store (repair->library);
  guint lacking;
  g_autofree guint8 *data = index_from_chunks (store, record, &lacking);
  g_autoptr (GError) error = NULL;

  if (data && write_index (path, data, (gsize)record->index_size, &error))
    add_sentence (repair->mended, "%s: its index %s is made anew from its chunks", name, path);
  else if (data)
    g_hash_table_insert (repair->remedies, g_strdup (name), g_strdup (error->message));
  else
    g_hash_table_insert (
        repair->remedies, g_strdup (name),
        g_strdup_printf (
            "and of the %u chunks that it could be made of %u are gone: publish the same file again, which puts them back, and then `gild verify --repair` again",
            record->index_chunks->len, lacking));
}

static gboolean
mend_version (Repair *repair, const char *image, guint number, const char *name, GError **error)
{
  g_autofree char *path = image_library_version_path (repair->library, image, number, ".json");
  g_autofree char *index_path =
      image_library_version_path (repair->library, image, number, ".caibx");
  g_autoptr (VersionRecord) record =
      image_library_load_record (repair->library, image, number, NULL);

  if (!record)
    {
      add_record_remedy (repair, name, path);
      return TRUE;
    }
  mend_text (repair, name, path);
  g_autoptr (ImageVersion) version = image_library_load (repair->library, image, number, NULL);
  if (version)
    return rebuild_index_chunks (repair, name, version, error);
  rebuild_index (repair, name, index_path, record);
  return TRUE;
}

static gboolean
mend_image (Repair *repair, const char *image, GError **error)
{
  g_autofree char *path = image_library_path (repair->library, image, "channels.json");
  g_autoptr (GError) channels_error = NULL;
  g_autoptr (ChannelRecord) channels =
      image_library_load_channels (repair->library, image, &channels_error);

  if (channels)
    mend_text (repair, image, path);
  else if (channels_error)
    add_record_remedy (repair, image, path);
  return foreach_version (repair, image, mend_version, error);
}

static gboolean
commit (Repair *repair, GError **error)
{
  gboolean ok = !repair->staging || chunk_staging_commit (repair->staging, error);

  g_clear_pointer (&repair->staging, chunk_staging_free);
  return ok;
}

/* The first step.  */
static gboolean
mend_images (Repair *repair, GError **error)
{
  g_autoptr (GPtrArray) names = images (repair, error);

  for (guint i = 0; names && i < names->len; i++)
    if (!mend_image (repair, names->pdata[i], error))
      return FALSE;
  return names && commit (repair, error);
}

static void
mend_chunk (Repair *repair, const BadChunk *bad)
{
  g_autoptr (GError) error = NULL;
  gboolean is_needed = bad->size > 0;
  ChunkFate fate;

  if (!damaged_chunk_mend (image_library_store (repair->library), &bad->id, bad->size, TRUE,
                           &repair->staging, &fate, &error))
    g_ptr_array_add (repair->problems, g_strdup (error->message));
  else if (fate == CHUNK_IS_WHOLE)
    add_sentence (repair->mended, "%s: it is whole when read again", bad->problem);
  else if (fate == CHUNK_IS_REBUILT)
    add_sentence (repair->mended, "%s: its bytes were found, and it is made anew", bad->problem);
  else if (is_needed && !bad->is_kept)
    add_sentence (repair->mended, "%s: it is set aside, and fetched again when it is read",
                  bad->problem);
  else if (is_needed)
    g_hash_table_add (repair->lacking, g_memdup2 (&bad->id, sizeof bad->id));
  else if (fate == CHUNK_IS_SET_ASIDE)
    add_sentence (repair->mended, "%s: it is set aside, and no version needs it", bad->problem);
}

static gboolean
report_lacking (Repair *repair, const char *image, guint number, const char *name, GError **error)
{
  g_autoptr (ImageVersion) version = image_library_load (repair->library, image, number, NULL);
  g_autoptr (GHashTable) lacked = g_hash_table_new (chunk_id_hash, chunk_id_equal);

  for (gsize i = 0; version && i < index_n_chunks (version->index); i++)
    if (g_hash_table_contains (repair->lacking, index_chunk_id (version->index, i)))
      g_hash_table_add (lacked, (gpointer)index_chunk_id (version->index, i));
  guint n = g_hash_table_size (lacked);
  if (n > 0)
    add_sentence (
        repair->problems,
        "%s lacks %u %s: publish the same file again, which puts %s back; or publish another, and `gild gc` once nothing needs this version",
        name, n, n == 1 ? "chunk" : "chunks", n == 1 ? "it" : "them");
  return TRUE;
}

/* The third step: the chunks that verify_run found bad.  */
static gboolean
mend_chunks (Repair *repair, const GPtrArray *bad_chunks, GError **error)
{
  g_autoptr (GPtrArray) names = images (repair, error);

  for (guint i = 0; i < bad_chunks->len; i++)
    mend_chunk (repair, bad_chunks->pdata[i]);
  if (!names || !commit (repair, error))
    return FALSE;
  for (guint i = 0; g_hash_table_size (repair->lacking) > 0 && i < names->len; i++)
    if (!foreach_version (repair, names->pdata[i], report_lacking, error))
      return FALSE;
  return TRUE;
}

static gboolean
mend_images_locked (Repair *repair, GError **error)
{
  ChunkStore *store = image_library_store (repair->library);
  int lock = chunk_store_lock (store, CHUNK_STORE_LOCK_COLLECT, error);
  gboolean ok = lock >= 0 && mend_images (repair, error);

  if (lock >= 0)
    close (lock);
  return ok;
}

static gboolean
mend_chunks_locked (Repair *repair, const GPtrArray *bad_chunks, GError **error)
{
  ChunkStore *store = image_library_store (repair->library);
  int lock = bad_chunks->len > 0 ? chunk_store_lock (store, CHUNK_STORE_LOCK_COLLECT, error) : -1;
  gboolean ok = bad_chunks->len == 0 || (lock >= 0 && mend_chunks (repair, bad_chunks, error));

  if (lock >= 0)
    close (lock);
  return ok;
}

/* PROBLEM, which verify_run found, with what to do about it.  */
static char *
add_remedy (const Repair *repair, const char *problem)
{
  g_autofree char *name = g_strndup (problem, strcspn (problem, ":"));
  const char *remedy = g_hash_table_lookup (repair->remedies, name);

  return remedy ? g_strdup_printf ("%s; %s", problem, remedy) : g_strdup (problem);
}

/* What REPAIR knows goes into RESULT.  */
static void
tell (Repair *repair, VerifyResult *result)
{
  GPtrArray *found = result->problems;

  result->problems = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < found->len; i++)
    g_ptr_array_add (result->problems, add_remedy (repair, found->pdata[i]));
  g_ptr_array_unref (found);
  g_ptr_array_extend_and_steal (result->problems, g_ptr_array_ref (repair->problems));
  g_ptr_array_extend_and_steal (result->mended, g_ptr_array_ref (repair->mended));
  g_ptr_array_set_size (result->bad_chunks, 0);
}

gboolean
repair_run (ImageLibrary *library, const char *image, guint version, const Progress *progress,
            VerifyResult *result, GError **error)
{
  Repair repair = { .library = library, .image = image, .version = version };

  repair.mended = g_ptr_array_new_with_free_func (g_free);
  repair.problems = g_ptr_array_new_with_free_func (g_free);
  repair.remedies = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  repair.lacking = g_hash_table_new_full (chunk_id_hash, chunk_id_equal, g_free, NULL);
  gboolean ok = mend_images_locked (&repair, error)
                && verify_run (library, image, version, progress, result, error)
                && mend_chunks_locked (&repair, result->bad_chunks, error);
  if (ok)
    tell (&repair, result);
  g_clear_pointer (&repair.staging, chunk_staging_free);
  g_ptr_array_unref (repair.mended);
  g_ptr_array_unref (repair.problems);
  g_hash_table_unref (repair.remedies);
  g_hash_table_unref (repair.lacking);
  return ok;
}
