// SPDX-License-Identifier: GPL-2.0-or-later
// One image's night: edit, check, promote, from where an earlier night was killed.
//
// The state says which step has begun, and is on the disk before it begins.  What a step has done
// is seen in the image itself: the edit's version is what the channel nightly names, the promotion
// is what production names.  So a night that was killed between a step and the state that follows
// it does that step again only where it was not done.

#include "nightly-image.h"

#include <string.h>

#include "nightly-verb.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/json-read.h"

// What a verb may take beside the time that it is told itself.
#define PUBLISH_SECONDS (60 * 60)
#define CHECK_SECONDS   (4 * 60 * 60)
#define PROMOTE_SECONDS (10 * 60)

#define NO_CHECK "no" // in the configuration

#define CONSOLE_MAX (1 << 20)
#define REASON_MAX  2000

/* One image, in the middle of its night.  */
typedef struct
{
  const Night *night;
  const NightlyScript *script;
  NightlyEntry *entry;
  NightlyImage *result;
} Walk;

/* End it with OUTCOME, for REASON, which is taken.  */
static void
finish (const Walk *walk, NightlyOutcome outcome, char *reason)
{
  walk->result->outcome = outcome;
  g_free (walk->result->reason);
  walk->result->reason = reason;
}

/* The state of this image is STEP, and VERSION; on the disk.  */
static gboolean
save (const Walk *walk, NightlyStep step, guint version)
{
  g_autoptr (GError) error = NULL;

  walk->entry->step = step;
  walk->entry->version = version;
  if (nightly_state_save (walk->night->verb->config, walk->night->state, &error))
    return TRUE;
  finish (walk, NIGHTLY_EDIT_FAILED, g_strdup (error->message));
  return FALSE;
}

/* Where an image stands.  */
typedef struct
{
  guint production, waiting; // what these channels name; 0: nothing
  guint parent;              // what WAITING was made from
  gboolean was_promoted;     // production has named WAITING, or does
  gboolean is_rolling;       // a rollout into production goes on
} Standing;

static gboolean
was_promoted (const ChannelRecord *channels, guint version)
{
  for (guint i = 0; i < channels->history->len; i++)
    {
      const ChannelEvent *event = channels->history->pdata[i];
      if (event->version == version && g_str_equal (event->channel, CHANNEL_DEFAULT))
        return TRUE;
    }
  return FALSE;
}

static gboolean
look (const Walk *walk, Standing *standing, GError **error)
{
  ImageLibrary *library = walk->night->library;
  const char *image = walk->script->image;
  g_autoptr (GError) cause = NULL;
  g_autoptr (ChannelRecord) channels = image_library_load_channels (library, image, &cause);
  g_autoptr (VersionRecord) record = NULL;

  *standing = (Standing){ 0 };
  if (cause)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!channels || !(standing->production = channel_record_get (channels, CHANNEL_DEFAULT)))
    return fail (error, "there is no production version of it: `gild images` lists what there is");
  standing->waiting = channel_record_get (channels, NIGHTLY_CHANNEL);
  standing->was_promoted = was_promoted (channels, standing->waiting);
  standing->is_rolling = channel_record_rollout (channels, CHANNEL_DEFAULT) != NULL;
  if (standing->waiting)
    record = image_library_load_record (library, image, standing->waiting, NULL);
  standing->parent = record ? record->parent : 0;
  return TRUE;
}

/* Read what the edit that CHILD was has said in ANSWER.  */
static void
read_edit (const Walk *walk, JsonNode *answer, const BoundedChild *child)
{
  JsonObject *object = answer ? json_node_get_object (answer) : NULL;
  guint64 version, bytes, status;

  if (object && json_read_uint (object, "version", 1, G_MAXUINT, &version, NULL))
    {
      walk->result->version = (guint)version;
      if (json_read_uint (object, "new_size", 0, G_MAXINT64, &bytes, NULL))
        walk->result->new_bytes = (gint64)bytes;
      return;
    }
  if (object && json_object_has_member (object, "unchanged"))
    {
      finish (walk, NIGHTLY_UNCHANGED, NULL);
      return;
    }
  walk->result->said = g_strdup (child->said);
  if (object && json_read_uint (object, "status", 0, 255, &status, NULL))
    finish (walk, NIGHTLY_EDIT_FAILED,
            g_strdup_printf ("%s ended with status %u", walk->script->path, (guint)status));
  else
    finish (walk, NIGHTLY_EDIT_FAILED, nightly_verb_complaint (child, "edit"));
}

/* Run the script on a copy of production.  Whether there is a version now to go on with.  */
static gboolean
edit (const Walk *walk, guint waiting)
{
  const Config *config = walk->night->verb->config;
  g_autofree char *from = g_strdup_printf ("%u", walk->result->production);
  g_autofree char *timeout = g_strdup_printf ("%us", config->nightly_timeout_seconds);
  g_autofree char *note = g_strdup_printf ("nightly %s", walk->night->night);
  const char *arguments[] = { "edit",      walk->script->image,
                              "--from",    from,
                              "--channel", NIGHTLY_CHANNEL,
                              "--timeout", timeout,
                              "--note",    note,
                              "--",        walk->script->path,
                              NULL };
  g_auto (BoundedChild) child = { 0 };

  walk->entry->before = waiting;
  if (!save (walk, NIGHTLY_STEP_EDIT, 0))
    return FALSE;
  g_autoptr (JsonNode) answer = nightly_verb_run (
      walk->night->verb, arguments, config->nightly_timeout_seconds + PUBLISH_SECONDS, &child);
  read_edit (walk, answer, &child);
  if (walk->result->version)
    return save (walk, NIGHTLY_STEP_CHECK, walk->result->version);
  save (walk, NIGHTLY_STEP_ENDED, waiting);
  return FALSE;
}

/* MEMBER of OBJECT, if it is a string.  */
static char *
take_string (JsonObject *object, const char *member)
{
  return g_strdup (json_read_string (object, member, REASON_MAX, NULL));
}

/* Read why a version did not come up, or could not be checked, in ANSWER.  */
static void
read_refusal (const Walk *walk, JsonNode *answer, const BoundedChild *child)
{
  JsonObject *object = answer ? json_node_get_object (answer) : NULL;
  gboolean is_refusal = object && child->status == EXIT_NO;
  char *reason = object ? take_string (object, "reason") : NULL;

  finish (walk, is_refusal ? NIGHTLY_NOT_UP : NIGHTLY_NOT_CHECKED,
          reason ? reason : nightly_verb_complaint (child, "check"));
  if (!object)
    return;
  walk->result->console = take_string (object, "console");
  walk->result->screenshot = take_string (object, "screenshot");
  if (walk->result->console)
    walk->result->said = file_read (walk->result->console, CONSOLE_MAX, NULL, NULL);
}

/* The verb NAME for this image's version, with OPTIONS, the configuration's words or NULL; ends
   with NULL.  Owned by the caller.  */
static char **
build_arguments (const Walk *walk, const char *name, const char *options)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) words = NULL;
  g_autofree char *ref = g_strdup_printf ("%s@%u", walk->script->image, walk->result->version);

  g_strv_builder_add (builder, name);
  if (options && g_shell_parse_argv (options, NULL, &words, NULL))
    g_strv_builder_addv (builder, (const char **)words);
  g_strv_builder_add (builder, ref);
  return g_strv_builder_end (builder);
}

/* Boot the version.  Whether it came up.  */
static gboolean
check (const Walk *walk)
{
  const ConfigImage *config = config_image (walk->night->verb->config, walk->script->image);
  guint version = walk->result->version;
  g_auto (GStrv) arguments = build_arguments (walk, "check", config->check);
  g_auto (BoundedChild) child = { 0 };

  if (g_strcmp0 (config->check, NO_CHECK) == 0)
    {
      walk->result->unchecked = TRUE;
      return save (walk, NIGHTLY_STEP_PROMOTE, version);
    }
  g_autoptr (JsonNode) answer =
      nightly_verb_run (walk->night->verb, (const char *const *)arguments, CHECK_SECONDS, &child);
  JsonObject *object = answer ? json_node_get_object (answer) : NULL;
  const char *result = object ? json_read_string (object, "result", 20, NULL) : NULL;

  if (child.status == EXIT_DONE && g_strcmp0 (result, "up") == 0)
    {
      walk->result->up_seconds = json_object_get_double_member_with_default (object, "seconds", 0);
      return save (walk, NIGHTLY_STEP_PROMOTE, version);
    }
  read_refusal (walk, answer, &child);
  if (walk->result->outcome == NIGHTLY_NOT_UP)
    save (walk, NIGHTLY_STEP_ENDED, version);
  return FALSE;
}

/* The version is not production: because that is no more what it was made from, or as CHILD says.
 */
static void
not_promoted (const Walk *walk, const BoundedChild *child)
{
  guint version = walk->result->version;
  Standing standing;

  if (!look (walk, &standing, NULL) || standing.production == walk->result->production)
    {
      finish (walk, NIGHTLY_PROMOTE_FAILED, nightly_verb_complaint (child, "promote"));
      return;
    }
  finish (walk, NIGHTLY_OVERTAKEN,
          g_strdup_printf ("production is @%u by now, and @%u was made from @%u",
                           standing.production, version, walk->result->production));
  save (walk, NIGHTLY_STEP_ENDED, version);
}

/* Make the version production, unless production is no more what it was made from.  */
static void
promote (const Walk *walk)
{
  const ConfigImage *config = config_image (walk->night->verb->config, walk->script->image);
  guint version = walk->result->version;
  g_autofree char *options =
      g_strdup_printf ("%s --from %u --note 'nightly %s'", config->promote ? config->promote : "",
                       walk->result->production, walk->night->night);
  g_auto (GStrv) arguments = build_arguments (walk, "promote", options);
  Standing standing;
  g_auto (BoundedChild) child = { 0 };
  g_autoptr (JsonNode) answer =
      nightly_verb_run (walk->night->verb, (const char *const *)arguments, PROMOTE_SECONDS, &child);

  if (child.status != EXIT_DONE)
    {
      not_promoted (walk, &child);
      return;
    }
  gboolean is_staged = look (walk, &standing, NULL) && standing.production != version;
  finish (walk, is_staged ? NIGHTLY_STAGED : NIGHTLY_PROMOTED, NULL);
  save (walk, NIGHTLY_STEP_ENDED, version);
}

/* Go on with VERSION, which an earlier night has made.  */
static void
resume (const Walk *walk, guint version)
{
  walk->result->version = version;
  walk->result->resumed = TRUE;
}

static void
run_steps (const Walk *walk, const Standing *standing)
{
  NightlyStep step = nightly_first_step (walk->entry, standing->production, standing->waiting,
                                         standing->parent, standing->was_promoted);

  walk->result->production = standing->production;
  if (step != NIGHTLY_STEP_EDIT)
    resume (walk, standing->waiting);
  else if (!edit (walk, standing->waiting))
    return;
  if (step == NIGHTLY_STEP_PROMOTE || check (walk))
    promote (walk);
}

void
nightly_image_run (const Night *night, const NightlyScript *script, NightlyImage *result)
{
  Walk walk = { night, script, nightly_state_entry (night->state, script->image), result };
  Standing standing;
  g_autoptr (GError) error = NULL;

  if (script->trouble)
    finish (&walk, NIGHTLY_EDIT_FAILED, g_strdup (script->trouble));
  else if (!look (&walk, &standing, &error))
    finish (&walk, NIGHTLY_EDIT_FAILED, g_strdup (error->message));
  else if (standing.is_rolling)
    finish (&walk, NIGHTLY_WAITING, g_strdup ("a rollout of it still goes on"));
  else
    run_steps (&walk, &standing);
}
