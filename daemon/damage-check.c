// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that somebody reports as damaged: gildd believes nothing, hashes them itself, and sets
// aside or mends what is damaged indeed.
//
// A chunk that the disk does not give stays where it is: it may be whole when the disk is back.
// `gild verify --repair`, which somebody wants, takes it.

#include "damage-check.h"

#include <unistd.h>

#include "qcow-backing/damaged-chunks.h"
#include "qcow-backing/fail.h"

#define QUEUE_MAX 64

struct DamageCheck
{
  const Config *config;
  GThreadPool *pool; // of Look *; one thread
};

/* A chunk that is to be looked at.  */
typedef struct
{
  ChunkId id;
  DamageCheckedFunc func; // may be NULL
  gpointer data;
} Look;

static ChunkStore *
open_store (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "store.castr", NULL);

  return chunk_store_open (path, error);
}

static gboolean
mend_locked (ChunkStore *store, const ChunkId *id, ChunkFate *fate, GError **error)
{
  ChunkStaging *staging = NULL;
  gboolean ok = damaged_chunk_mend (store, id, 0, FALSE, &staging, fate, error)
                && (!staging || chunk_staging_commit (staging, error));

  chunk_staging_free (staging);
  return ok;
}

/* Never waits for the lock: who has it is gc or a repair, which finds the chunk itself.  */
static gboolean
mend (const Config *config, const ChunkId *id, ChunkFate *fate, GError **error)
{
  g_autoptr (ChunkStore) store = open_store (config, error);
  int lock = store ? chunk_store_lock (store, CHUNK_STORE_LOCK_TRY_ADD, error) : -1;
  gboolean ok = lock >= 0 && mend_locked (store, id, fate, error);

  if (lock >= 0)
    close (lock);
  return ok;
}

static void
log_fate (const ChunkId *id, ChunkFate fate, const GError *error)
{
  char hex[CHUNK_HEX_SIZE];

  chunk_id_to_hex (id, hex);
  if (error)
    g_message ("chunk %s was reported as damaged and stays as it is: %s", hex, error->message);
  else if (fate == CHUNK_IS_WHOLE)
    g_message ("chunk %s was reported as damaged, and is whole", hex);
  else if (fate == CHUNK_IS_REBUILT)
    g_message ("chunk %s was damaged; its bytes were found, and it is made anew", hex);
  else if (fate == CHUNK_IS_SET_ASIDE)
    g_message (
        "chunk %s was damaged and is set aside: `gild verify --repair` says which versions lack it and how it comes back",
        hex);
}

static void
look_at (gpointer data, gpointer user_data)
{
  g_autofree Look *look = data;
  DamageCheck *check = user_data;
  g_autoptr (GError) error = NULL;
  ChunkFate fate = CHUNK_IS_MISSING;

  mend (check->config, &look->id, &fate, &error);
  if (!error || !look->func) // who waits says it, with each read
    log_fate (&look->id, fate, error);
  if (look->func)
    look->func (&look->id, error, look->data);
}

static void
forget (gpointer data)
{
  g_autofree Look *look = data;
  g_autoptr (GError) error = NULL;

  fail_code (&error, G_IO_ERROR_CANCELLED, "gildd ends");
  if (look->func)
    look->func (&look->id, error, look->data);
}

DamageCheck *
damage_check_new (const Config *config)
{
  DamageCheck *check = g_new (DamageCheck, 1);

  check->config = config;
  check->pool = g_thread_pool_new_full (look_at, check, forget, 1, FALSE, NULL);
  return check;
}

void
damage_check_free (DamageCheck *check)
{
  if (!check)
    return;
  g_thread_pool_free (check->pool, TRUE, TRUE);
  g_free (check);
}

gboolean
damage_check_parse (const char *name, JsonObject *body, ChunkId *id, GError **error)
{
  if (!chunk_id_from_hex (name, id))
    return fail_code (error, G_IO_ERROR_INVALID_ARGUMENT,
                      "'%.100s' is not a chunk: its id has 64 lower-case hexadecimal digits", name);
  return !body || json_object_get_size (body) == 0
         || fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "a report of a chunk has no members");
}

gboolean
damage_check_add (DamageCheck *check, const ChunkId *id, DamageCheckedFunc func, gpointer data,
                  GError **error)
{
  if (g_thread_pool_unprocessed (check->pool) >= QUEUE_MAX)
    return fail (error, "%d chunks wait to be looked at: report it later", QUEUE_MAX);
  Look *look = g_new (Look, 1);
  *look = (Look){ *id, func, data };
  g_thread_pool_push (check->pool, look, NULL); // queued, whatever it says of a thread for it
  return TRUE;
}

gboolean
damage_check_count (const Config *config, guint *count, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ChunkStore) store = open_store (config, &local_error);

  *count = 0;
  if (store)
    return damaged_chunks_count (store, count, error);
  if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}
