// SPDX-License-Identifier: GPL-2.0-or-later
// gild promote: have a channel name a version that there is.

#include "channels.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "rollout.h"

/* Whether what is done to a rollout IS_COMMAND, and so has no version.  */
static gboolean
parse_ref (const char *text, gboolean is_command, char **image, guint *version, GError **error)
{
  if (!image_ref_parse (text, image, version, error))
    return FALSE;
  if (is_command)
    return *version == 0 || fail (error, "write %s alone: it has one rollout at a time", *image);
  return *version > 0 || fail (error, "which version of %s? write %s@VERSION", text, text);
}

ExitStatus
verb_promote (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *channel = NULL, *note = NULL, *image = NULL, *stages = NULL, *wait = NULL;
  g_autofree char *from = NULL;
  RolloutOptions rollout = { 0 };
  const GOptionEntry options[] = {
    { "channel", 0, 0, G_OPTION_ARG_STRING, &channel, "The channel that shall name it [production]",
      "NAME" },
    { "from", 0, 0, G_OPTION_ARG_STRING, &from, "Only if the channel names that version until then",
      "VERSION" },
    { "note", 0, 0, G_OPTION_ARG_STRING, &note, "Why, for the history", "TEXT" },
    { "stage", 0, 0, G_OPTION_ARG_STRING, &stages,
      "Reach so many of the hosts after each other, such as 5%,25%,100%", "LIST" },
    { "wait", 0, 0, G_OPTION_ARG_STRING, &wait, "How long a stage lasts at least [30m]", "TIME" },
    { "pause", 0, 0, G_OPTION_ARG_NONE, &rollout.pause, "Let the rollout of IMAGE not go on",
      NULL },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &rollout.resume, "Let it go on again", NULL },
    { "stop", 0, 0, G_OPTION_ARG_NONE, &rollout.stop, "Give it up, and go back on all hosts",
      NULL },
    { "status", 0, 0, G_OPTION_ARG_NONE, &rollout.status, "Say how it stands", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;
  gboolean is_command;
  guint version, from_version = 0;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE@VERSION | IMAGE",
          "Have a channel name this version: the next start of a desktop that goes by the\n"
          "channel boots it, on every host. Desktops that run keep theirs.\n"
          "With --stage some hosts come first, and the others only if desktops come up there;\n"
          "otherwise it goes back by itself.",
          1, 1, &status))
    return status;
  rollout.stages = stages;
  rollout.wait = wait;
  if (!rollout_options_check (&rollout, &is_command, &error)
      || !parse_ref (verb.argv[0], is_command, &image, &version, &error)
      || (is_command && from && !fail (&error, "--from is for promoting a version"))
      || (from && !version_parse (from, &from_version, &error)))
    return verb_usage (&verb, error);
  if (is_command)
    return rollout_command (&verb, image, note ? note : "", &rollout);
  const ChannelChange change = { .channel = channel ? channel : CHANNEL_DEFAULT,
                                 .version = version,
                                 .action = rollout.stages ? CHANNEL_STAGE : CHANNEL_PROMOTE,
                                 .note = note ? note : "",
                                 .from = from_version };
  return rollout.stages ? rollout_promote (&verb, image, &change, &rollout)
                        : channels_change (&verb, image, &change);
}
