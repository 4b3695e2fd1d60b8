// SPDX-License-Identifier: GPL-2.0-or-later
// Getting boot profiles from origins: they know what boots on all hosts have read.

#include "profile-sync.h"

#include "profile-exchange.h"

#define AGAIN_SECONDS   600 // a profile grows with the first boots of its version
#define TIMEOUT_SECONDS 10

struct ProfileSync
{
  const RecordSync *sync;
  GHashTable *asked; // "HOST IMAGE@VERSION" -> gint64 *, when that origin last answered
};

ProfileSync *
profile_sync_new (const RecordSync *sync)
{
  ProfileSync *self = g_new (ProfileSync, 1);

  self->sync = sync;
  self->asked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
profile_sync_free (ProfileSync *self)
{
  if (!self)
    return;
  g_hash_table_unref (self->asked);
  g_free (self);
}

static gboolean
is_fresh (ProfileSync *self, const char *question)
{
  const gint64 *asked_us = g_hash_table_lookup (self->asked, question);

  return asked_us && g_get_monotonic_time () - *asked_us < (gint64)AGAIN_SECONDS * G_USEC_PER_SEC;
}

/* Ask ORIGIN for the profile of IMAGE@VERSION; FALSE if it does not answer.  */
static gboolean
ask (ProfileSync *self, const Host *origin, const char *image, guint version)
{
  g_autofree char *question = g_strdup_printf ("%s %s@%u", origin->name, image, version);
  g_autoptr (GError) error = NULL;
  gint64 now_us = g_get_monotonic_time ();

  if (is_fresh (self, question))
    return TRUE;
  if (!profile_exchange_get (self->sync->config, self->sync->client, origin, image, version,
                             TIMEOUT_SECONDS, &error)
      && (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE)
          || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)))
    return FALSE;
  if (error && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    g_message ("the boot profile of %s@%u from %s: %s", image, version, origin->name,
               error->message);
  g_hash_table_replace (self->asked, g_steal_pointer (&question),
                        g_memdup2 (&now_us, sizeof now_us));
  return TRUE;
}

/* Ask for the profiles of all versions of IMAGE that channels name; FALSE if ORIGIN does not
 * answer.
 */
static gboolean
ask_all (ProfileSync *self, const Host *origin, const char *image)
{
  g_autoptr (ChannelRecord) channels =
      image_library_load_channels (self->sync->library, image, NULL);
  GHashTableIter iter;
  gpointer version;

  if (!channels)
    return TRUE;
  g_hash_table_iter_init (&iter, channels->channels);
  while (g_hash_table_iter_next (&iter, NULL, &version))
    if (g_atomic_int_get (self->sync->cancelled)
        || !ask (self, origin, image, GPOINTER_TO_UINT (version)))
      return FALSE;
  return TRUE;
}

void
profile_sync_run (ProfileSync *self, const Host *origin)
{
  g_autoptr (GPtrArray) images = image_library_images (self->sync->library, NULL);

  for (guint i = 0; images && i < images->len; i++)
    if (!ask_all (self, origin, images->pdata[i]))
      return;
}
