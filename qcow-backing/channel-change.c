// SPDX-License-Identifier: GPL-2.0-or-later
// Changing what a channel names: the one place where a channel record becomes the next one.

#include "channel-change.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "image-name.h"
#include "record-file.h"
#include "utc-date.h"

#define USER_SIZE_MAX 64

gboolean
channel_change_check (const ChannelChange *change, GError **error)
{
  if (!channel_name_check (change->channel, error))
    return FALSE;
  if (strlen (change->note) > RECORD_NOTE_MAX || !g_utf8_validate (change->note, -1, NULL))
    return fail (error, "a note has up to %d bytes of UTF-8", RECORD_NOTE_MAX);
  return TRUE;
}

/* Whether NAME, which the environment may have, can be a user's.  */
static gboolean
is_user_name (const char *name)
{
  gsize size = name ? strlen (name) : 0;

  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isgraph (name[i]))
      return FALSE;
  return size >= 1 && size <= USER_SIZE_MAX;
}

char *
channel_change_author (void)
{
  const char *caller = g_getenv ("SUDO_USER");
  const struct passwd *user = getpwuid (getuid ());
  const char *name = is_user_name (caller) ? caller : user ? user->pw_name : NULL;

  return g_strdup_printf ("%s@%s", is_user_name (name) ? name : "?", g_get_host_name ());
}

/* Fails where a rollout goes on.  */
static gboolean
check_no_rollout (const ChannelRecord *record, GError **error)
{
  GHashTableIter iter;
  gpointer rollout;

  g_hash_table_iter_init (&iter, record->rollouts);
  if (!g_hash_table_iter_next (&iter, NULL, &rollout))
    return TRUE;
  return fail_code (
      error, G_IO_ERROR_BUSY,
      "a staged rollout of %s@%u goes on: wait for its end, or run `gild promote --stop %s`",
      record->image, ((const ChannelRollout *)rollout)->version, record->image);
}

ChannelRecord *
channel_change_begin (const ImageLibrary *library, const char *image, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ChannelRecord) record = image_library_load_channels (library, image, &local_error);

  if (local_error)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  if (!record)
    return channel_record_new (image);
  return check_no_rollout (record, error) ? g_steal_pointer (&record) : NULL;
}

/* What the channel of CHANGE names so far, other than what it is to name, be it on some hosts.  */
static guint
named_before (const ChannelRecord *record, const ChannelChange *change)
{
  const ChannelRollout *rollout = channel_record_rollout (record, change->channel);

  return rollout && rollout->version != change->version
             ? rollout->version
             : channel_record_get (record, change->channel);
}

gboolean
channel_change_apply (ChannelRecord *record, const ChannelChange *change, GError **error)
{
  guint64 serial = MAX (record->serial, record->reserved);
  g_autofree char *author = change->by ? g_strdup (change->by) : channel_change_author ();
  g_autofree char *now = utc_date (0);

  if (serial >= G_MAXINT64)
    return fail (error, "%s has all the channel records it can have", record->image);
  const ChannelEvent event = { serial + 1,
                               (char *)change->channel,
                               change->version,
                               named_before (record, change),
                               (char *)change->action,
                               now,
                               author,
                               (char *)change->note };
  record->serial = serial + 1;
  record->reserved = 0;
  if (change->percent > 0 && change->percent < 100)
    channel_record_set_rollout (record, change->channel, change->version, change->percent);
  else
    {
      g_hash_table_remove (record->rollouts, change->channel);
      g_hash_table_insert (record->channels, g_strdup (change->channel),
                           GUINT_TO_POINTER (change->version));
    }
  channel_history_add (record->history, &event);
  g_free (record->expires);
  record->expires = utc_date (CHANNEL_EXPIRES_DAYS);
  return TRUE;
}

gboolean
channel_change_write (const ImageLibrary *library, const SigningKey *key,
                      const ChannelRecord *record, GError **error)
{
  g_autofree char *path = image_library_path (library, record->image, "channels.json");
  g_autofree char *json = channel_record_to_json (record);

  return record_file_write (path, json, key, error);
}

/* What there is of IMAGE: "1, 2, 5".  */
static char *
list_versions (const ImageLibrary *library, const char *image)
{
  g_autoptr (GArray) versions = image_library_versions (library, image, NULL);
  GString *text = g_string_new (NULL);

  for (guint i = 0; versions && i < versions->len; i++)
    g_string_append_printf (text, "%s%u", i > 0 ? ", " : "", g_array_index (versions, guint, i));
  return g_string_free (text, FALSE);
}

gboolean
channel_change_check_version (const ImageLibrary *library, const char *image, guint version,
                              GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (ImageVersion) loaded = image_library_load (library, image, version, &cause);
  g_autofree char *present = NULL;

  if (loaded)
    return TRUE;
  if (!g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  present = list_versions (library, image);
  return fail_code (error, G_IO_ERROR_NOT_FOUND,
                    "%s@%u is not there: it was collected, or never was; there is: %s", image,
                    version, present);
}

/* What the channel shall name by CHANGE.  */
static gboolean
choose_version (const ImageLibrary *library, const ChannelRecord *record,
                const ChannelChange *change, guint *version, GError **error)
{
  guint present = channel_record_get (record, change->channel);

  if (!present && change->version == 0)
    return image_library_resolve (library, record->image, change->channel, version, error);
  *version = change->version ? change->version
                             : channel_history_before (record->history, change->channel, present);
  if (*version)
    return channel_change_check_version (library, record->image, *version, error);
  g_autofree char *versions = list_versions (library, record->image);
  return fail_code (
      error, G_IO_ERROR_NOT_FOUND,
      "%s: the history has nothing that %s named before version %u; choose with --to; there is: %s",
      record->image, change->channel, present, versions);
}

gboolean
channel_change_check_from (const ChannelRecord *record, const ChannelChange *change, GError **error)
{
  guint present = channel_record_get (record, change->channel);

  return change->from == 0 || present == change->from
         || fail_code (error, G_IO_ERROR_BUSY,
                       "%s names %s@%u by now, and not @%u: somebody has changed it meanwhile",
                       change->channel, record->image, present, change->from);
}

static gboolean
run_locked (const ImageLibrary *library, const SigningKey *key, const char *image,
            const ChannelChange *change, ChannelChangeResult *result, GError **error)
{
  g_autoptr (ChannelRecord) record = channel_change_begin (library, image, error);
  ChannelChange chosen = *change;

  if (!record || !choose_version (library, record, change, &chosen.version, error))
    return FALSE;
  *result = (ChannelChangeResult){ chosen.version, channel_record_get (record, change->channel) };
  return result->from == result->version
         || (channel_change_check_from (record, change, error)
             && channel_change_apply (record, &chosen, error)
             && channel_change_write (library, key, record, error));
}

gboolean
channel_change_lock (const ImageLibrary *library, const char *image, ChannelLocks *locks,
                     GError **error)
{
  g_autoptr (GArray) versions = image_library_versions (library, image, error);

  if (!versions)
    return FALSE;
  if (versions->len == 0)
    return image_library_fail_missing (image, 0, error);
  locks->store = chunk_store_lock (image_library_store (library), CHUNK_STORE_LOCK_ADD, error);
  locks->image = locks->store < 0 ? -1 : image_library_lock (library, image, TRUE, error);
  if (locks->store >= 0 && locks->image < 0)
    close (locks->store);
  return locks->image >= 0;
}

void
channel_change_unlock (const ChannelLocks *locks)
{
  close (locks->image);
  close (locks->store);
}

gboolean
channel_change_run (const ImageLibrary *library, const SigningKey *key, const char *image,
                    const ChannelChange *change, ChannelChangeResult *result, GError **error)
{
  ChannelLocks locks;

  *result = (ChannelChangeResult){ 0 };
  if (!channel_change_check (change, error) || !channel_change_lock (library, image, &locks, error))
    return FALSE;
  gboolean ok = run_locked (library, key, image, change, result, error);
  channel_change_unlock (&locks);
  return ok;
}
