// SPDX-License-Identifier: GPL-2.0-or-later
// Beginning and stopping a staged rollout, with the site's key.

#include "rollout-begin.h"

#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "file-write.h"

#define NOTE_MAX (RECORD_NOTE_MAX - 50)
#define NOT_UP   "went back by itself: its desktops did not come up"
#define UNSTEADY "went back by itself: its desktops were reset, crashed or ended early more often"

typedef struct
{
  const ImageLibrary *library;
  const SigningKey *key;
  const RolloutPlan *plan;
  const ChannelChange *change;
} Beginning;

/* RECORD as it is to be signed for PLAN.  */
static char *
reserve (ChannelRecord *record, const RolloutPlan *plan)
{
  record->reserved = rollout_plan_last_serial (plan);
  char *json = channel_record_to_json (record);
  record->reserved = 0;
  return json;
}

static ChannelRecord *
copy (const ChannelRecord *record, GError **error)
{
  g_autofree char *json = channel_record_to_json (record);

  return channel_record_from_json (json, strlen (json), error);
}

/* Sign RECORD and put it at NAME.  */
static gboolean
put (const Beginning *beginning, const char *name, ChannelRecord *record, GError **error)
{
  const RolloutPlan *plan = beginning->plan;
  g_autofree char *path = rollout_plan_path (beginning->library, plan->image, name);
  g_autofree char *json = reserve (record, plan);
  g_autoptr (GBytes) signed_text = signature_sign (beginning->key, json, strlen (json), error);

  return signed_text
         && file_write_durably (path, g_bytes_get_data (signed_text, NULL),
                                g_bytes_get_size (signed_text), 0640, error);
}

/* The record that goes back from RECORD, of stage STAGE.  */
static gboolean
put_back (const Beginning *beginning, const ChannelRecord *record, guint stage, gboolean were_up,
          GError **error)
{
  const RolloutPlan *plan = beginning->plan;
  g_autoptr (ChannelRecord) back = copy (record, error);
  g_autofree char *name = rollout_plan_back_name (stage, were_up);
  const ChannelChange change = { plan->channel, plan->base, CHANNEL_BACK, beginning->change->by,
                                 were_up ? UNSTEADY : NOT_UP };

  if (!back)
    return FALSE;
  back->serial = rollout_plan_last_serial (plan) - 1;
  return channel_change_apply (back, &change, error) && put (beginning, name, back, error);
}

/* Make RECORD that of STAGE.  */
static gboolean
apply_stage (const Beginning *beginning, ChannelRecord *record, guint stage, GError **error)
{
  const RolloutPlan *plan = beginning->plan;
  guint percent = rollout_plan_percent (plan, stage);
  ChannelChange change = *beginning->change;

  change.channel = plan->channel;
  change.version = plan->version;
  change.percent = percent;
  change.action = stage + 1 == plan->percents->len ? CHANNEL_PROMOTE : CHANNEL_STAGE;
  g_autofree char *note =
      g_strdup_printf ("%u %% of the hosts%s%s", percent, *change.note ? ": " : "", change.note);
  change.note = note;
  return channel_change_apply (record, &change, error);
}

/* Write all that is signed for later, RECORD being the first stage's.  */
static gboolean
put_later (const Beginning *beginning, const ChannelRecord *record, GError **error)
{
  g_autoptr (ChannelRecord) later = copy (record, error);
  guint n = beginning->plan->percents->len;

  for (guint stage = 0; later && stage < n; stage++)
    {
      g_autofree char *name = rollout_plan_stage_name (stage);
      if (stage > 0
          && (!apply_stage (beginning, later, stage, error)
              || !put (beginning, name, later, error)))
        return FALSE;
      if (stage + 1 < n
          && (!put_back (beginning, later, stage, FALSE, error)
              || !put_back (beginning, later, stage, TRUE, error)))
        return FALSE;
    }
  return later != NULL;
}

/* An empty directory for PLAN: what an earlier one has left goes, its plan first.  */
static gboolean
make_directory (const Beginning *beginning, GError **error)
{
  const char *image = beginning->plan->image;
  g_autofree char *directory = rollout_plan_path (beginning->library, image, NULL);
  g_autofree char *plan = rollout_plan_path (beginning->library, image, "plan.json");

  if (g_mkdir_with_parents (directory, 0750) < 0)
    return fail_errno (error, "make %s", directory);
  unlink (plan);
  rollout_plan_remove_records (beginning->library, image);
  return TRUE;
}

/* The records, the plan, which makes them count; and then the first stage.  */
static gboolean
write_all (const Beginning *beginning, ChannelRecord *record, GError **error)
{
  const RolloutPlan *plan = beginning->plan;
  g_autofree char *path = rollout_plan_path (beginning->library, plan->image, "plan.json");
  g_autofree char *json = rollout_plan_to_json (plan);

  if (!apply_stage (beginning, record, 0, error) || !make_directory (beginning, error)
      || !put_later (beginning, record, error)
      || !file_write_durably (path, json, strlen (json), 0640, error))
    return FALSE;
  record->reserved = rollout_plan_last_serial (plan);
  return channel_change_write (beginning->library, beginning->key, record, error);
}

static gboolean
begin_locked (const ImageLibrary *library, const SigningKey *key, RolloutPlan *plan,
              const ChannelChange *change, GError **error)
{
  const Beginning beginning = { library, key, plan, change };
  g_autoptr (ChannelRecord) record = channel_change_begin (library, plan->image, error);

  if (!record || !channel_change_check_version (library, plan->image, plan->version, error)
      || !channel_change_check_from (record, change, error))
    return FALSE;
  plan->base = channel_record_get (record, plan->channel);
  if (!plan->base)
    return fail (error, "%s has no channel %s: promote without stages makes it", plan->image,
                 plan->channel);
  if (plan->base == plan->version)
    return fail_code (error, G_IO_ERROR_EXISTS, "%s names %s@%u already", plan->channel,
                      plan->image, plan->version);
  plan->serial = MAX (record->serial, record->reserved) + 1;
  return write_all (&beginning, record, error);
}

gboolean
rollout_check (const ChannelChange *change, GError **error)
{
  if (strlen (change->note) > NOTE_MAX)
    return fail (error, "the note of a rollout has up to %d bytes", NOTE_MAX);
  return channel_change_check (change, error);
}

gboolean
rollout_begin (const ImageLibrary *library, const SigningKey *key, RolloutPlan *plan,
               const ChannelChange *change, GError **error)
{
  ChannelLocks locks;

  if (!rollout_check (change, error) || !channel_change_lock (library, plan->image, &locks, error))
    return FALSE;
  gboolean ok = begin_locked (library, key, plan, change, error);
  channel_change_unlock (&locks);
  return ok;
}

/* The channel of RECORD into which a rollout goes on, RECORD's own; NULL if none.  */
static const char *
find_rollout (const ChannelRecord *record)
{
  GHashTableIter iter;
  gpointer channel;

  g_hash_table_iter_init (&iter, record->rollouts);
  return g_hash_table_iter_next (&iter, &channel, NULL) ? channel : NULL;
}

static gboolean
stop_locked (const ImageLibrary *library, const SigningKey *key, const char *image,
             const ChannelChange *change, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ChannelRecord) record = image_library_load_channels (library, image, &local_error);
  g_autofree char *channel = record ? g_strdup (find_rollout (record)) : NULL;
  ChannelChange stop = *change;

  if (local_error)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (!channel)
    return fail_code (error, G_IO_ERROR_NOT_FOUND, "no rollout of %s goes on", image);
  stop.channel = channel;
  stop.version = channel_record_get (record, channel);
  if (!channel_change_apply (record, &stop, error)
      || !channel_change_write (library, key, record, error))
    return FALSE;
  rollout_plan_remove_records (library, image);
  return TRUE;
}

gboolean
rollout_stop (const ImageLibrary *library, const SigningKey *key, const char *image,
              const ChannelChange *change, GError **error)
{
  ChannelLocks locks;

  if (!channel_change_check (change, error) || !channel_change_lock (library, image, &locks, error))
    return FALSE;
  gboolean ok = stop_locked (library, key, image, change, error);
  channel_change_unlock (&locks);
  return ok;
}
