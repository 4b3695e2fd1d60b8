// SPDX-License-Identifier: GPL-2.0-or-later
// gild rollback: have a channel name an earlier version again.

#include "channels.h"
#include "qcow-backing/image-name.h"

ExitStatus
verb_rollback (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *channel = NULL, *note = NULL, *to = NULL;
  const GOptionEntry options[] = {
    { "channel", 0, 0, G_OPTION_ARG_STRING, &channel, "The channel that goes back [production]",
      "NAME" },
    { "note", 0, 0, G_OPTION_ARG_STRING, &note, "Why, for the history", "TEXT" },
    { "to", 0, 0, G_OPTION_ARG_STRING, &to, "The version, and not the one before", "VERSION" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;
  guint version = 0;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE",
          "Have a channel name the version that it named before; once more goes one step further back.\n"
          "The next start of a desktop that goes by the channel boots it, on every host. Desktops that\n"
          "run keep theirs.",
          1, 1, &status))
    return status;
  if (!image_name_check (verb.argv[0], &error) || (to && !version_parse (to, &version, &error)))
    return verb_usage (&verb, error);
  const ChannelChange change = { channel ? channel : CHANNEL_DEFAULT, version, CHANNEL_ROLLBACK,
                                 NULL, note ? note : "" };
  return channels_change (&verb, verb.argv[0], &change);
}
