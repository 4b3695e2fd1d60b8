// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching what a boot is going to read, before it is asked for.

#include "profile-fetch.h"

#include "qcow-backing/boot-profile-file.h"
#include "qcow-backing/image-name.h"

#define QUEUE_MAX 256 // desktops that start at once

struct ProfileFetch
{
  const Config *config;
  ProfileWantFunc want;
  gpointer data;
  gint is_ending;    // atomic
  GThreadPool *pool; // of char *: IMAGE@VERSION; one thread
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

GArray *
profile_fetch_missing (const Config *config, const char *image, guint version, GError **error)
{
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  g_autoptr (ImageVersion) loaded =
      library ? image_library_load (library, image, version, error) : NULL;

  if (!loaded)
    return NULL;
  g_autoptr (BootProfile) profile = boot_profile_load (library, image, version);
  if (!profile)
    return g_array_new (FALSE, FALSE, sizeof (ChunkId));
  return list_missing (library, profile, loaded->index);
}

static void
fetch_one (gpointer data, gpointer user_data)
{
  g_autofree char *ref = data;
  ProfileFetch *fetch = user_data;
  g_autofree char *image = NULL;
  g_autoptr (GError) error = NULL;
  guint version;

  if (!image_ref_parse (ref, &image, &version, NULL))
    return;
  g_autoptr (GArray) missing = profile_fetch_missing (fetch->config, image, version, &error);
  if (!missing)
    {
      g_message ("what a boot of %s reads is not fetched beforehand: %s", ref, error->message);
      return;
    }
  if (missing->len > 0)
    g_message ("%u chunks that a boot of %s reads are fetched", missing->len, ref);
  for (guint i = 0; i < missing->len && !g_atomic_int_get (&fetch->is_ending); i++)
    fetch->want (&g_array_index (missing, ChunkId, i), fetch->data);
}

ProfileFetch *
profile_fetch_new (const Config *config, ProfileWantFunc want, gpointer data)
{
  ProfileFetch *fetch = g_new0 (ProfileFetch, 1);

  fetch->config = config;
  fetch->want = want;
  fetch->data = data;
  fetch->pool = g_thread_pool_new_full (fetch_one, fetch, g_free, 1, FALSE, NULL);
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
