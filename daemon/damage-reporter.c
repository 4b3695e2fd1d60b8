// SPDX-License-Identifier: GPL-2.0-or-later
// Telling gildd of damaged chunks, without ever keeping waiting who reads them.

#include "damage-reporter.h"

#include "control-client.h"

#define TIMEOUT_SECONDS 3
#define QUEUE_MAX       64
#define TOLD_MAX        1024
#define TOLD_FOR        (60 * G_USEC_PER_SEC) // until a chunk is told again

/* A chunk that gildd was told of, or is about to be.  */
typedef struct
{
  ChunkId id; // first, so that it is a key
  gint64 since;
} Told;

struct DamageReporter
{
  char *socket_path;
  GMutex lock; // guards what follows; never held while talking to gildd
  GThreadPool
      *pool;        // of ChunkId *; one thread, from the first report on, as nbdkit may fork before
  GHashTable *told; // set of Told *, owned
};

static void
tell (gpointer data, gpointer user_data)
{
  g_autofree ChunkId *id = data;
  DamageReporter *reporter = user_data;
  char hex[CHUNK_HEX_SIZE];
  g_autoptr (GError) error = NULL;

  chunk_id_to_hex (id, hex);
  g_autofree char *path = g_strdup_printf ("/chunks/%s/damaged", hex);
  g_autoptr (JsonNode) answer =
      control_call (reporter->socket_path, "POST", path, NULL, TIMEOUT_SECONDS, &error);
  if (answer)
    return;
  g_message ("gildd was not told that chunk %s is damaged: %s", hex, error->message);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&reporter->lock);
  g_hash_table_remove (reporter->told, id);
}

DamageReporter *
damage_reporter_new (const char *socket_path)
{
  DamageReporter *reporter = g_new0 (DamageReporter, 1);

  reporter->socket_path = g_strdup (socket_path);
  g_mutex_init (&reporter->lock);
  reporter->told = g_hash_table_new_full (chunk_id_hash, chunk_id_equal, g_free, NULL);
  return reporter;
}

void
damage_reporter_free (DamageReporter *reporter)
{
  if (!reporter)
    return;
  if (reporter->pool)
    g_thread_pool_free (reporter->pool, TRUE, TRUE);
  g_hash_table_unref (reporter->told);
  g_mutex_clear (&reporter->lock);
  g_free (reporter->socket_path);
  g_free (reporter);
}

static gboolean
is_long_ago (gpointer key, gpointer value, gpointer now)
{
  return ((Told *)key)->since + TOLD_FOR <= *(gint64 *)now;
}

/* Note that gildd is told of ID; FALSE if it was lately, or cannot be now.  */
static gboolean
claim (DamageReporter *reporter, const ChunkId *id)
{
  gint64 now = g_get_monotonic_time ();
  Told *told = g_hash_table_lookup (reporter->told, id);

  if (told && !is_long_ago (told, NULL, &now))
    return FALSE;
  if (g_hash_table_size (reporter->told) >= TOLD_MAX)
    g_hash_table_foreach_remove (reporter->told, is_long_ago, &now);
  if (g_hash_table_size (reporter->told) >= TOLD_MAX
      || g_thread_pool_unprocessed (reporter->pool) >= QUEUE_MAX)
    return FALSE;
  told = g_new (Told, 1);
  *told = (Told){ *id, now };
  g_hash_table_add (reporter->told, told);
  return TRUE;
}

void
damage_reporter_add (DamageReporter *reporter, const ChunkId *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&reporter->lock);

  if (!reporter->pool)
    reporter->pool = g_thread_pool_new_full (tell, reporter, g_free, 1, TRUE, NULL);
  if (claim (reporter, id))
    g_thread_pool_push (reporter->pool, g_memdup2 (id, sizeof *id), NULL);
}
