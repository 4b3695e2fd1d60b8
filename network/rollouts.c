// SPDX-License-Identifier: GPL-2.0-or-later
// Driving the staged rollouts of this publisher, from what hosts tell of their desktops.
//
// What is installed next was signed when the rollout began (rollout-plan.h); the channel record
// says which stage it is, so a gildd that is killed at any point neither leaves out a stage nor
// begins one twice.

#include "rollouts.h"

#include <string.h>
#include <unistd.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/record-file.h"
#include "qcow-backing/record-install.h"
#include "rollout-picture.h"

#define SAVE_SECONDS 15

/* A rollout that goes on.  */
typedef struct
{
  RolloutPlan *plan;
  RolloutProgress *progress;
  gint64 looked_us, saved_us;
  gint64 lasted_us; // of the second that is not counted yet
  char *trouble;    // what was said last of what does not work
} Rollout;

struct Rollouts
{
  const Config *config;
  const ImageLibrary *library;
  HostList *list;
  Heartbeats *heartbeats;
  GHashTable *going; // image -> Rollout *
};

static void
rollout_free (gpointer data)
{
  Rollout *rollout = data;

  rollout_plan_free (rollout->plan);
  rollout_progress_free (rollout->progress);
  g_free (rollout->trouble);
  g_free (rollout);
}

Rollouts *
rollouts_new (const Config *config, const ImageLibrary *library, HostList *list,
              Heartbeats *heartbeats)
{
  Rollouts *rollouts = g_new (Rollouts, 1);

  *rollouts = (Rollouts){ config, library, list, heartbeats,
                          g_hash_table_new_full (g_str_hash, g_str_equal, g_free, rollout_free) };
  return rollouts;
}

void
rollouts_free (Rollouts *rollouts)
{
  if (!rollouts)
    return;
  g_hash_table_unref (rollouts->going);
  g_free (rollouts);
}

static RolloutView
view_of (const Rollouts *rollouts, const Rollout *rollout)
{
  return (RolloutView){ rollouts->config,     rollouts->library, rollouts->list,
                        rollouts->heartbeats, rollout->plan,     rollout->progress };
}

/* Make the record that was signed as NAME, with SERIAL, the image's.  */
static gboolean
install (const Rollouts *rollouts, const RolloutPlan *plan, const char *name, guint64 serial,
         GError **error)
{
  g_autofree char *path = rollout_plan_path (rollouts->library, plan->image, name);
  gsize size;
  char *text = file_read (path, RECORD_SIZE_MAX, &size, error);
  g_autoptr (GBytes) signed_text = text ? g_bytes_new_take (text, size) : NULL;
  g_autoptr (ChannelRecord) record =
      signed_text
          ? record_install_read_channels (rollouts->library, plan->image, signed_text, error)
          : NULL;

  if (!record)
    return FALSE;
  if (record->serial != serial)
    return fail (error, "%s has another serial than the plan says", path);
  int lock = image_library_lock (rollouts->library, plan->image, FALSE, error);
  if (lock < 0)
    return FALSE;
  gboolean ok = record_install_channels (rollouts->library, record, signed_text, error);
  close (lock);
  return ok;
}

static void
save (const Rollouts *rollouts, Rollout *rollout)
{
  g_autoptr (GError) error = NULL;

  rollout->saved_us = g_get_monotonic_time ();
  if (!rollout_progress_save (rollouts->library, rollout->plan, rollout->progress, &error))
    g_message ("%s", error->message);
}

/* Say what does not work, once.  */
static void
report (Rollout *rollout, const GError *error)
{
  if (g_strcmp0 (rollout->trouble, error->message) != 0
      && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    g_message ("the rollout of %s@%u: %s", rollout->plan->image, rollout->plan->version,
               error->message);
  g_free (rollout->trouble);
  rollout->trouble = g_strdup (error->message);
}

static void
go_on (const Rollouts *rollouts, Rollout *rollout, guint stage, const char *why)
{
  const RolloutPlan *plan = rollout->plan;
  g_autofree char *name = rollout_plan_stage_name (stage);
  gboolean is_last = stage + 1 == plan->percents->len;
  g_autoptr (GError) error = NULL;

  if (!install (rollouts, plan, name, plan->serial + stage, &error))
    {
      report (rollout, error);
      return;
    }
  rollout->progress->stage = stage;
  rollout->progress->seconds = 0;
  rollout_progress_set (rollout->progress, is_last ? ROLLOUT_DONE : ROLLOUT_GOING, why);
  g_message ("the rollout of %s@%u goes on to %u %% of the hosts: %s", plan->image, plan->version,
             rollout_plan_percent (plan, stage), why);
  save (rollouts, rollout);
}

static void
go_back (const Rollouts *rollouts, Rollout *rollout, guint stage, const RolloutDecision *decision)
{
  const RolloutPlan *plan = rollout->plan;
  g_autofree char *name = rollout_plan_back_name (stage, decision->action == ROLLOUT_UNSTEADY);
  const RolloutView view = view_of (rollouts, rollout);
  g_autofree char *blamed = rollout_picture_blame (&view);
  g_autofree char *why = g_strconcat (decision->why, blamed, NULL);
  g_autoptr (GError) error = NULL;

  if (!install (rollouts, plan, name, rollout_plan_last_serial (plan), &error))
    {
      report (rollout, error);
      return;
    }
  rollout_progress_set (rollout->progress, ROLLOUT_BACK, why);
  g_message ("the rollout of %s@%u goes back to @%u: %s", plan->image, plan->version, plan->base,
             why);
  save (rollouts, rollout);
}

static void
act (const Rollouts *rollouts, Rollout *rollout, guint stage, const RolloutDecision *decision)
{
  gint64 now_us = g_get_monotonic_time ();

  switch (decision->action)
    {
    case ROLLOUT_NEXT:
      go_on (rollouts, rollout, stage + 1, decision->why);
      return;
    case ROLLOUT_NOT_UP:
    case ROLLOUT_UNSTEADY:
      go_back (rollouts, rollout, stage, decision);
      return;
    case ROLLOUT_WAIT:
      rollout_progress_set (rollout->progress, ROLLOUT_GOING, decision->why);
      if (now_us - rollout->saved_us > SAVE_SECONDS * G_USEC_PER_SEC)
        save (rollouts, rollout);
      return;
    }
}

/* Count the time since the last look at STAGE.  */
static void
count_time (Rollout *rollout, guint stage)
{
  RolloutProgress *progress = rollout->progress;
  gint64 now_us = g_get_monotonic_time ();

  if (progress->stage != stage) // the gildd before this one was killed when it had gone on
    {
      progress->stage = stage;
      progress->seconds = 0;
    }
  rollout->lasted_us += now_us - rollout->looked_us;
  rollout->looked_us = now_us;
  progress->seconds += (guint)(rollout->lasted_us / G_USEC_PER_SEC);
  rollout->lasted_us %= G_USEC_PER_SEC;
}

/* The rollout of PLAN, which it takes over.  */
static Rollout *
find (Rollouts *rollouts, RolloutPlan *plan)
{
  Rollout *rollout = g_hash_table_lookup (rollouts->going, plan->image);

  if (rollout && rollout->plan->serial == plan->serial)
    {
      rollout_plan_free (plan);
      return rollout;
    }
  rollout = g_new0 (Rollout, 1);
  rollout->plan = plan;
  rollout->progress = rollout_progress_load (rollouts->library, plan);
  rollout->looked_us = g_get_monotonic_time ();
  g_hash_table_replace (rollouts->going, g_strdup (plan->image), rollout);
  return rollout;
}

/* Remove the signed records of PLAN, unless another rollout is about to begin.  */
static void
clear_away (const Rollouts *rollouts, const RolloutPlan *plan)
{
  g_autofree char *name = rollout_plan_stage_name (1);
  g_autofree char *path = rollout_plan_path (rollouts->library, plan->image, name);
  int lock = g_file_test (path, G_FILE_TEST_EXISTS)
                 ? image_library_lock (rollouts->library, plan->image, FALSE, NULL)
                 : -1;

  if (lock < 0)
    return;
  g_autoptr (RolloutPlan) present = rollout_plan_load (rollouts->library, plan->image, NULL);
  if (present && present->serial == plan->serial)
    rollout_plan_remove_records (rollouts->library, plan->image);
  close (lock);
}

/* The rollout of PLAN is over, or has not begun, as the channel record's SERIAL says.  */
static void
end (Rollouts *rollouts, RolloutPlan *plan, guint64 serial)
{
  g_autofree char *image = g_strdup (plan->image);
  guint64 last = rollout_plan_last_serial (plan);
  gboolean is_over = serial >= plan->serial;
  Rollout *rollout = find (rollouts, plan);
  RolloutProgress *progress = rollout->progress;

  if (g_str_equal (progress->result, ROLLOUT_GOING) && (serial == last || serial + 1 == last))
    {
      g_autofree char *why = g_strdup (progress->why);
      rollout_progress_set (progress, serial == last ? ROLLOUT_BACK : ROLLOUT_DONE, why);
      save (rollouts, rollout);
    }
  if (is_over)
    clear_away (rollouts, rollout->plan);
  g_hash_table_remove (rollouts->going, image);
}

/* Whether the rollout of IMAGE goes on.  */
static gboolean
turn (Rollouts *rollouts, const char *image)
{
  g_autoptr (GError) error = NULL;
  RolloutPlan *plan = rollout_plan_load (rollouts->library, image, &error);
  g_autoptr (ChannelRecord) record =
      plan ? image_library_load_channels (rollouts->library, image, &error) : NULL;

  if (!record)
    {
      if (error)
        g_message ("the rollout of %s: %s", image, error->message);
      rollout_plan_free (plan);
      return FALSE;
    }
  int stage = rollout_plan_stage (plan, record);
  if (stage < 0)
    {
      end (rollouts, plan, record->serial);
      return FALSE;
    }
  Rollout *rollout = find (rollouts, plan);
  count_time (rollout, (guint)stage);
  const RolloutView view = view_of (rollouts, rollout);
  RolloutPicture picture = rollout_picture_take (&view, (guint)stage);
  RolloutDecision decision = rollout_decide (&picture);
  act (rollouts, rollout, (guint)stage, &decision);
  g_free (decision.why);
  return TRUE;
}

gboolean
rollouts_turn (Rollouts *rollouts)
{
  g_autoptr (GPtrArray) images = image_library_images (rollouts->library, NULL);
  gboolean any = FALSE;

  for (guint i = 0; images && i < images->len; i++)
    any = turn (rollouts, images->pdata[i]) || any;
  return any;
}
