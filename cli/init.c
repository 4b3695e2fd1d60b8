// SPDX-License-Identifier: GPL-2.0-or-later
// gild init: found a site.

#include "gild.h"

#include <stdio.h>

#include "network/host-identity.h"
#include "qcow-backing/site.h"

static void
print_result (const Verb *verb, const char *name)
{
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "site", verb->argv[0]);
  json_object_set_string_member (object, "state", verb->config->state_dir);
  json_object_set_string_member (object, "host", name);
  if (verb->json)
    json_print_object (object);
  else
    printf ("site %s is founded; its keys are in %s/site\n", verb->argv[0],
            verb->config->state_dir);
}

ExitStatus
verb_init (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *name = NULL;
  const GOptionEntry options[] = {
    { "name", 0, 0, G_OPTION_ARG_STRING, &name, "Call this host NAME [its hostname]", "NAME" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "SITE",
          "Found the site named SITE: make its signing key and its certificate authority. This\n"
          "host becomes its publisher and its first origin.",
          1, 1, &status))
    return status;
  if (!name)
    name = host_name_default ();
  if (!host_name_check (name, &error))
    return verb_usage (&verb, error);
  if (!site_init (verb.config, verb.argv[0], host_identity_make, name, &error))
    return verb_fail (&verb, error);
  print_result (&verb, name);
  fprintf (
      stderr,
      "Keep a copy of that directory in a safe place: without site.sec nothing can be published.\n");
  return EXIT_DONE;
}
