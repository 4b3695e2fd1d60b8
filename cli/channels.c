// SPDX-License-Identifier: GPL-2.0-or-later
// What gild promote and gild rollback share: one change of a channel, and what is said of it.

#include "channels.h"

#include <stdio.h>

#include "qcow-backing/site.h"

ImageLibrary *
channels_open_library (const Verb *verb, SigningKey **key, GError **error)
{
  g_autoptr (SigningKey) loaded = site_load_signing_key (verb->config, error);
  ImageLibrary *library = loaded ? verb_open_library (verb, error) : NULL;

  if (library)
    *key = g_steal_pointer (&loaded);
  return library;
}

static void
print_json (const char *image, const char *channel, const ChannelChangeResult *result)
{
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "image", image);
  json_object_set_string_member (object, "channel", channel);
  json_object_set_int_member (object, "version", result->version);
  if (result->from)
    json_object_set_int_member (object, "from", result->from);
  else
    json_object_set_null_member (object, "from");
  json_object_set_boolean_member (object, "changed", result->from != result->version);
  json_print_object (object);
}

static void
print_text (const char *image, const char *channel, const ChannelChangeResult *result)
{
  if (result->from == result->version)
    printf ("%s names %s@%u already\n", channel, image, result->version);
  else if (result->from)
    printf ("%s names %s@%u now, and no longer @%u\n", channel, image, result->version,
            result->from);
  else
    printf ("%s names %s@%u now\n", channel, image, result->version);
}

ExitStatus
channels_change (const Verb *verb, const char *image, const ChannelChange *change)
{
  g_autofree char *author = channel_change_author ();
  ChannelChange signed_change = *change;
  g_autoptr (SigningKey) key = NULL;
  g_autoptr (GError) error = NULL;
  ChannelChangeResult result;

  if (!channel_change_check (change, &error))
    return verb_usage (verb, error);
  signed_change.by = author;
  g_autoptr (ImageLibrary) library = channels_open_library (verb, &key, &error);
  if (!library || !channel_change_run (library, key, image, &signed_change, &result, &error))
    return verb_fail (verb, error);
  if (verb->json)
    print_json (image, change->channel, &result);
  else
    print_text (image, change->channel, &result);
  return EXIT_DONE;
}
