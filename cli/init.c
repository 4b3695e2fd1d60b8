// SPDX-License-Identifier: GPL-2.0-or-later
// gild init: found a site.

#include "gild.h"

#include <stdio.h>

#include "qcow-backing/site.h"

ExitStatus
verb_init (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, NULL, "SITE",
          "Found the site named SITE: make its signing key and its certificate authority. This\n"
          "host becomes its publisher and its first origin.",
          1, 1, &status))
    return status;
  if (!site_init (verb.config, verb.argv[0], NULL, NULL, &error))
    return verb_fail (&verb, error);
  if (verb.json)
    {
      g_autoptr (JsonObject) object = json_object_new ();
      json_object_set_string_member (object, "site", verb.argv[0]);
      json_object_set_string_member (object, "state", verb.config->state_dir);
      json_print_object (object);
    }
  else
    printf ("site %s is founded; its keys are in %s/site\n", verb.argv[0], verb.config->state_dir);
  fprintf (
      stderr,
      "Keep a copy of that directory in a safe place: without site.sec nothing can be published.\n");
  return EXIT_DONE;
}
