// SPDX-License-Identifier: GPL-2.0-or-later
// gild promote: have a channel name a version that there is.

#include "channels.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"

static gboolean
parse_ref (const char *text, char **image, guint *version, GError **error)
{
  if (!image_ref_parse (text, image, version, error))
    return FALSE;
  return *version > 0 || fail (error, "which version of %s? write %s@VERSION", text, text);
}

ExitStatus
verb_promote (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *channel = NULL, *note = NULL, *image = NULL;
  const GOptionEntry options[] = {
    { "channel", 0, 0, G_OPTION_ARG_STRING, &channel, "The channel that shall name it [production]",
      "NAME" },
    { "note", 0, 0, G_OPTION_ARG_STRING, &note, "Why, for the history", "TEXT" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;
  guint version;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE@VERSION",
          "Have a channel name this version: the next start of a desktop that goes by the\n"
          "channel boots it, on every host. Desktops that run keep theirs.",
          1, 1, &status))
    return status;
  if (!parse_ref (verb.argv[0], &image, &version, &error))
    return verb_usage (&verb, error);
  const ChannelChange change = { channel ? channel : CHANNEL_DEFAULT, version, CHANNEL_PROMOTE,
                                 NULL, note ? note : "" };
  return channels_change (&verb, image, &change);
}
