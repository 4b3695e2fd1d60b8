// SPDX-License-Identifier: GPL-2.0-or-later
// What gild edit prints where there is no new version.

#include "edit-report.h"

#include <stdio.h>

/* What programs are told; why, is to be added.  */
static JsonObject *
no_version (const PublishOptions *options)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "image", options->image);
  json_object_set_null_member (object, "version");
  json_object_set_int_member (object, "parent", options->edited);
  return object;
}

void
edit_report_unchanged (const Verb *verb, const PublishOptions *options)
{
  g_autoptr (JsonObject) object = no_version (options);

  json_object_set_boolean_member (object, "unchanged", TRUE);
  if (verb->json)
    json_print_object (object);
  else
    printf ("%s@%u is as it was: there is no new version\n", options->image, options->edited);
}

void
edit_report_failed (const Verb *verb, const PublishOptions *options, const char *command,
                    int status)
{
  g_autoptr (JsonObject) object = no_version (options);

  json_object_set_int_member (object, "status", status);
  if (verb->json)
    json_print_object (object);
  fprintf (stderr, "gild edit: %s ended with status %d; nothing was published\n", command, status);
}

void
edit_report_unwanted (const Verb *verb, const PublishOptions *options)
{
  g_autoptr (JsonObject) object = no_version (options);

  json_object_set_boolean_member (object, "unwanted", TRUE);
  if (verb->json)
    json_print_object (object);
  fprintf (stderr, "gild edit: nothing was published\n");
}
