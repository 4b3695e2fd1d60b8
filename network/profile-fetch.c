// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching what a boot is going to read, before it is asked for.

#include "profile-fetch.h"

#include "chunk-batch.h"
#include "profile-exchange.h"
#include "qcow-backing/boot-profile-file.h"
#include "qcow-backing/image-name.h"

#define THREADS         4   // versions that are fetched at once
#define QUEUE_MAX       256 // desktops that start at once
#define WINDOW          512 // chunks that are under way for each
#define ORIGINS_MAX     3   // that are asked for a profile
#define TIMEOUT_SECONDS 2   // for each of them

struct ProfileFetch
{
  const Config *config;
  SiteClient *client;
  HostList *list;
  ChunkFetcher *fetcher;
  gint is_ending;    // atomic
  GThreadPool *pool; // of char *: IMAGE@VERSION
};

static GArray *
list_missing (const ImageLibrary *library, const BootProfile *profile, const Index *index)
{
  g_autoptr (GHashTable) listed = g_hash_table_new (chunk_id_hash, chunk_id_equal);
  GArray *missing = g_array_new (FALSE, FALSE, sizeof (ChunkId));

  for (guint i = 0; i < profile->positions->len; i++)
    {
      gsize position = g_array_index (profile->positions, guint32, i);
      const ChunkId *id = index_chunk_id (index, position);
      if (!index_chunk_is_zero (index, position) && g_hash_table_add (listed, (gpointer)id)
          && !chunk_store_has (image_library_store (library), id))
        g_array_append_val (missing, *id);
    }
  return missing;
}

/* *PROFILE may be NULL; it is NULL where there is none.  */
static GArray *
look (const Config *config, const char *image, guint version, BootProfile **profile, GError **error)
{
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  g_autoptr (ImageVersion) loaded =
      library ? image_library_load (library, image, version, error) : NULL;

  if (!loaded)
    return NULL;
  g_autoptr (BootProfile) found = boot_profile_load (library, image, version);
  GArray *missing = found ? list_missing (library, found, loaded->index)
                          : g_array_new (FALSE, FALSE, sizeof (ChunkId));
  if (profile)
    *profile = g_steal_pointer (&found);
  return missing;
}

GArray *
profile_fetch_missing (const Config *config, const char *image, guint version, GError **error)
{
  return look (config, image, version, NULL, error);
}

static gboolean
ask_origin (const ProfileFetch *fetch, const Host *origin, const char *image, guint version)
{
  g_autoptr (GError) error = NULL;

  if (profile_exchange_get (fetch->config, fetch->client, origin, image, version, TIMEOUT_SECONDS,
                            &error))
    return TRUE;
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    g_message ("%s does not say what a boot of %s@%u reads: %s", origin->name, image, version,
               error->message);
  return FALSE;
}

/* Have the profile of the first live origin that has one, if it is better than the one here.  */
static void
ask_origins (const ProfileFetch *fetch, const char *image, guint version)
{
  g_autoptr (GPtrArray) hosts = host_list_get (fetch->list);
  gint64 now = g_get_monotonic_time ();
  guint asked = 0;

  for (guint i = 0; i < hosts->len && asked < ORIGINS_MAX; i++)
    {
      const Host *host = hosts->pdata[i];
      if (!host->is_origin || !host_is_live (host, now))
        continue;
      if (ask_origin (fetch, host, image, version))
        return;
      asked++;
    }
}

/* The chunks to fetch, by the best profile that there is.  */
static GArray *
choose (const ProfileFetch *fetch, const char *image, guint version, GError **error)
{
  g_autoptr (BootProfile) profile = NULL;
  g_autoptr (GArray) missing = look (fetch->config, image, version, &profile, error);

  if (!missing || (profile && (missing->len == 0 || boot_profile_is_closed (profile))))
    return g_steal_pointer (&missing);
  ask_origins (fetch, image, version);
  return profile_fetch_missing (fetch->config, image, version, error);
}

/* Want MISSING, in that order, and wait for it.  */
static gboolean
get (const ProfileFetch *fetch, const GArray *missing, GError **error)
{
  g_autoptr (ChunkBatch) batch =
      chunk_batch_new (fetch->fetcher, FETCH_PROFILE, fetch->config->fetch_deadline_seconds, WINDOW,
                       &fetch->is_ending);

  for (guint i = 0; i < missing->len; i++)
    if (!chunk_batch_want (batch, &g_array_index (missing, ChunkId, i), CHUNK_SIZE))
      break;
  return chunk_batch_wait (batch, error);
}

static void
fetch_one (gpointer data, gpointer user_data)
{
  g_autofree char *ref = data;
  const ProfileFetch *fetch = user_data;
  g_autofree char *image = NULL;
  g_autoptr (GError) error = NULL;
  gint64 began = g_get_monotonic_time ();
  guint version;

  if (g_atomic_int_get (&fetch->is_ending) || !image_ref_parse (ref, &image, &version, NULL))
    return;
  g_autoptr (GArray) missing = choose (fetch, image, version, &error);
  if (missing && missing->len == 0)
    return;
  if (missing && get (fetch, missing, &error))
    g_message ("%u chunks that a boot of %s reads came within %.1f s", missing->len, ref,
               (double)(g_get_monotonic_time () - began) / G_USEC_PER_SEC);
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_message ("what a boot of %s reads is not fetched beforehand: %s", ref, error->message);
}

ProfileFetch *
profile_fetch_new (const Config *config, SiteClient *client, HostList *list, ChunkFetcher *fetcher)
{
  ProfileFetch *fetch = g_new0 (ProfileFetch, 1);

  fetch->config = config;
  fetch->client = client;
  fetch->list = list;
  fetch->fetcher = fetcher;
  fetch->pool = g_thread_pool_new_full (fetch_one, fetch, g_free, THREADS, FALSE, NULL);
  return fetch;
}

void
profile_fetch_free (ProfileFetch *fetch)
{
  if (!fetch)
    return;
  g_atomic_int_set (&fetch->is_ending, TRUE);
  g_thread_pool_free (fetch->pool, TRUE, TRUE);
  g_free (fetch);
}

void
profile_fetch_add (ProfileFetch *fetch, const char *image, guint version)
{
  if (g_thread_pool_unprocessed (fetch->pool) < QUEUE_MAX)
    g_thread_pool_push (fetch->pool, g_strdup_printf ("%s@%u", image, version), NULL);
}
