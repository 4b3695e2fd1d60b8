// SPDX-License-Identifier: GPL-2.0-or-later
// gild promote --stage, and what is done to a staged rollout then.

#include "rollout.h"

#include <stdio.h>

#include "channels.h"
#include "qcow-backing/duration.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/rollout-begin.h"
#include "qcow-backing/rollout-progress.h"

#define WAIT_DEFAULT_SECONDS (30 * 60)

/* How the rollout of an image stands.  */
typedef struct
{
  RolloutPlan *plan;
  RolloutProgress *progress;
  int stage;         // -1: it is over
  const char *state; // "going", "paused", "done", "back", "stopped"
} Standing;

static void
standing_clear (Standing *standing)
{
  rollout_plan_free (standing->plan);
  rollout_progress_free (standing->progress);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Standing, standing_clear)

gboolean
rollout_options_check (const RolloutOptions *options, gboolean *is_command, GError **error)
{
  int n = options->pause + options->resume + options->stop + options->status;

  *is_command = n > 0;
  if (n > 1 || (n == 1 && (options->stages || options->wait)))
    return fail (error, "--stage, --pause, --resume, --stop and --status exclude each other");
  return !options->wait || options->stages || fail (error, "--wait is for --stage");
}

/* FALSE without an error where IMAGE never had a rollout here.  */
static gboolean
stand (const ImageLibrary *library, const char *image, Standing *standing, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  standing->plan = rollout_plan_load (library, image, &local_error);
  g_autoptr (ChannelRecord) record =
      standing->plan ? image_library_load_channels (library, image, &local_error) : NULL;
  if (local_error)
    g_propagate_error (error, g_steal_pointer (&local_error));
  if (!record || record->serial < standing->plan->serial)
    return FALSE;
  standing->progress = rollout_progress_load (library, standing->plan);
  standing->stage = rollout_plan_stage (standing->plan, record);
  if (standing->stage >= 0)
    standing->state = rollout_plan_is_paused (library, image) ? "paused" : ROLLOUT_GOING;
  else
    standing->state = g_str_equal (standing->progress->result, ROLLOUT_GOING)
                          ? "stopped"
                          : standing->progress->result;
  return TRUE;
}

static char *
describe (const Standing *standing)
{
  const RolloutPlan *plan = standing->plan;
  g_autofree char *what =
      g_strdup_printf ("the rollout of %s@%u into %s", plan->image, plan->version, plan->channel);

  if (standing->stage >= 0)
    return g_strdup_printf ("%s is %s at stage %d of %u, %u %% of the hosts: %s", what,
                            standing->state, standing->stage + 1, plan->percents->len,
                            rollout_plan_percent (plan, (guint)standing->stage),
                            standing->progress->why);
  if (g_str_equal (standing->state, ROLLOUT_BACK))
    return g_strdup_printf ("%s went back to @%u: %s", what, plan->base, standing->progress->why);
  return g_strdup_printf ("%s is %s", what, standing->state);
}

char *
rollout_describe (const ImageLibrary *library, const char *image)
{
  g_auto (Standing) standing = { 0 };

  return stand (library, image, &standing, NULL) ? describe (&standing) : NULL;
}

static void
print_json (const Standing *standing)
{
  const RolloutPlan *plan = standing->plan;
  g_autoptr (JsonObject) object = json_object_new ();
  JsonArray *stages = json_array_new ();

  for (guint i = 0; i < plan->percents->len; i++)
    json_array_add_int_element (stages, rollout_plan_percent (plan, i));
  json_object_set_string_member (object, "image", plan->image);
  json_object_set_string_member (object, "channel", plan->channel);
  json_object_set_int_member (object, "version", plan->version);
  json_object_set_int_member (object, "from", plan->base);
  json_object_set_array_member (object, "stages", stages);
  json_object_set_string_member (object, "state", standing->state);
  if (standing->stage >= 0)
    json_object_set_int_member (object, "stage", standing->stage + 1);
  else
    json_object_set_null_member (object, "stage");
  json_object_set_int_member (object, "seconds", standing->progress->seconds);
  json_object_set_int_member (object, "wait", plan->wait_seconds);
  json_object_set_string_member (object, "why", standing->progress->why);
  json_print_object (object);
}

/* Print how the rollout of IMAGE stands.  */
static gboolean
show (const Verb *verb, const ImageLibrary *library, const char *image, GError **error)
{
  g_auto (Standing) standing = { 0 };
  g_autoptr (GError) local_error = NULL;

  if (!stand (library, image, &standing, &local_error))
    return fail (error, "%s",
                 local_error ? local_error->message
                             : "this host has begun no rollout of the image");
  if (verb->json)
    print_json (&standing);
  else
    {
      g_autofree char *text = describe (&standing);
      printf ("%s\n", text);
    }
  return TRUE;
}

/* The plan that the command line asks for; NULL where it is wrong.  */
static RolloutPlan *
make_plan (const char *image, guint version, const char *channel, const RolloutOptions *options,
           GError **error)
{
  g_autoptr (RolloutPlan) plan = rollout_plan_new (image, channel);

  plan->version = version;
  plan->wait_seconds = WAIT_DEFAULT_SECONDS;
  if (!rollout_plan_parse_stages (plan, options->stages, error)
      || (options->wait && !duration_parse (options->wait, &plan->wait_seconds, error)))
    return NULL;
  return g_steal_pointer (&plan);
}

ExitStatus
rollout_promote (const Verb *verb, const char *image, const ChannelChange *change,
                 const RolloutOptions *options)
{
  g_autofree char *author = channel_change_author ();
  ChannelChange signed_change = *change;
  g_autoptr (SigningKey) key = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (RolloutPlan) plan =
      make_plan (image, change->version, change->channel, options, &error);

  if (!plan || !rollout_check (change, &error))
    return verb_usage (verb, error);
  signed_change.by = author;
  g_autoptr (ImageLibrary) library = channels_open_library (verb, &key, &error);
  if (!library || !rollout_begin (library, key, plan, &signed_change, &error)
      || !show (verb, library, image, &error))
    return verb_fail (verb, error);
  return EXIT_DONE;
}

/* Whether a rollout of IMAGE goes on.  */
static gboolean
check_going (const ImageLibrary *library, const char *image, GError **error)
{
  g_auto (Standing) standing = { 0 };
  g_autoptr (GError) local_error = NULL;

  if (stand (library, image, &standing, &local_error) && standing.stage >= 0)
    return TRUE;
  return fail (error, "%s%s", local_error ? local_error->message : "no rollout goes on of ",
               local_error ? "" : image);
}

static gboolean
stop (const Verb *verb, const char *image, const char *note, GError **error)
{
  g_autofree char *author = channel_change_author ();
  const ChannelChange change = { CHANNEL_DEFAULT, 0, CHANNEL_STOP, author, note };
  g_autoptr (SigningKey) key = NULL;
  g_autoptr (ImageLibrary) library = channels_open_library (verb, &key, error);

  return library && rollout_stop (library, key, image, &change, error)
         && show (verb, library, image, error);
}

ExitStatus
rollout_command (const Verb *verb, const char *image, const char *note,
                 const RolloutOptions *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ImageLibrary) library = NULL;

  if (options->stop)
    return stop (verb, image, note, &error) ? EXIT_DONE : verb_fail (verb, error);
  library = verb_open_library (verb, &error);
  if (!library
      || (!options->status
          && (!check_going (library, image, &error)
              || !rollout_plan_set_paused (library, image, options->pause, &error)))
      || !show (verb, library, image, &error))
    return verb_fail (verb, error);
  return EXIT_DONE;
}
