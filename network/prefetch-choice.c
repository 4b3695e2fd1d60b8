// SPDX-License-Identifier: GPL-2.0-or-later
// What this host completes by itself, and when.

#include "prefetch-choice.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "used-images.h"

static void
choice_free (gpointer data)
{
  PrefetchChoice *choice = data;

  g_free (choice->image);
  g_free (choice);
}

static gboolean
is_night (const Config *config)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();

  return config_is_night (config,
                          (guint)(g_date_time_get_hour (now) * 60 + g_date_time_get_minute (now)));
}

gboolean
prefetch_is_time (const Config *config, const PrefetchChoice *choice)
{
  if (choice->is_for_others || g_str_equal (config->prefetch, "always"))
    return TRUE;
  return g_str_equal (config->prefetch, "night") && is_night (config);
}

guint64
prefetch_limit (const Config *config)
{
  return config->day_limit_bytes > 0 && !is_night (config) ? config->day_limit_bytes : 0;
}

static void
add (GPtrArray *choices, const Config *config, const char *image, guint version,
     gboolean is_for_others)
{
  PrefetchChoice choice = { (char *)image, version, is_for_others };

  if (!prefetch_is_time (config, &choice))
    return;
  choice.image = g_strdup (image);
  g_ptr_array_add (choices, g_memdup2 (&choice, sizeof choice));
}

/* The newest version first: it is what boots next.  */
static void
add_replicas (GPtrArray *choices, const Config *config, const ImageLibrary *library)
{
  g_autoptr (Origin) origin = origin_load (config, NULL);
  const GPtrArray *images = origin ? origin_replicas (origin) : NULL;

  for (guint i = 0; images && i < images->len; i++)
    {
      g_autoptr (GArray) versions = image_library_versions (library, images->pdata[i], NULL);
      for (guint j = versions ? versions->len : 0; j-- > 0;)
        add (choices, config, images->pdata[i], g_array_index (versions, guint, j), TRUE);
    }
}

/* The version that a rollout is to bring here in place of PRESENT.  */
static gboolean
find_coming (const ImageLibrary *library, const UsedImage *used, guint present, guint *version)
{
  g_autoptr (ChannelRecord) record = image_library_load_channels (library, used->image, NULL);
  const ChannelRollout *rollout = record ? channel_record_rollout (record, used->channel) : NULL;

  if (!rollout || rollout->version == present)
    return FALSE;
  *version = rollout->version;
  return TRUE;
}

static void
add_used (GPtrArray *choices, const Config *config, const ImageLibrary *library)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) used = used_images_look (config, &error);

  if (!used)
    g_message ("which images are used here is not known: %s", error->message);
  for (guint i = 0; used && i < used->len; i++)
    {
      const UsedImage *image = used->pdata[i];
      guint version;
      if (!image_library_resolve (library, image->image, image->channel, &version, NULL))
        continue;
      add (choices, config, image->image, version, FALSE);
      if (find_coming (library, image, version, &version))
        add (choices, config, image->image, version, FALSE);
    }
}

GPtrArray *
prefetch_choose (const Config *config, const ImageLibrary *library, HostList *list)
{
  GPtrArray *choices = g_ptr_array_new_with_free_func (choice_free);

  if (!host_list_has_origin (list))
    return choices;
  add_used (choices, config, library);
  add_replicas (choices, config, library);
  return choices;
}

typedef struct
{
  const ChunkStore *store;
  guint64 bytes;
} Sum;

static gboolean
add_chunk (const ChunkId *id, gpointer data, GError **error)
{
  Sum *sum = data;
  char file[CHUNK_FILE_SIZE];
  struct stat status;

  chunk_store_file (id, file);
  if (fstatat (chunk_store_fd (sum->store), file, &status, AT_SYMLINK_NOFOLLOW) == 0)
    sum->bytes += (guint64)status.st_blocks * 512;
  return TRUE;
}

gboolean
prefetch_has_room (const Config *config, const ImageLibrary *library, guint64 bytes)
{
  g_autoptr (Origin) origin = origin_load (config, NULL);
  Sum sum = { image_library_store (library), bytes };

  if (config->store_limit_bytes == 0 || (origin && origin_keeps_any (origin)))
    return TRUE;
  return chunk_store_foreach (image_library_store (library), add_chunk, &sum, NULL)
         && sum.bytes <= config->store_limit_bytes;
}
