// SPDX-License-Identifier: GPL-2.0-or-later
// A verb's options, and how it says that something is wrong.

#include "gild.h"

#include <stdio.h>

#include "qcow-backing/site.h"

static ExitStatus
print_error (const Verb *verb, const GError *error, ExitStatus status)
{
  fprintf (stderr, "gild %s: %s\n", verb->name, error->message);
  return status;
}

ExitStatus
verb_fail (const Verb *verb, const GError *error)
{
  return print_error (verb, error, EXIT_FAILED);
}

ExitStatus
verb_usage (const Verb *verb, const GError *error)
{
  print_error (verb, error, EXIT_USAGE);
  fprintf (stderr, "See `gild %s --help`.\n", verb->name);
  return EXIT_USAGE;
}

/* Drop the "--" that GOption leaves in front of the arguments.  */
static void
take_arguments (Verb *verb, int argc, char **argv)
{
  gboolean has_dashes = argc > 1 && g_str_equal (argv[1], "--");

  verb->argc = argc - 1 - has_dashes;
  verb->argv = argv + 1 + has_dashes;
}

gboolean
verb_parse (Verb *verb, int argc, char **argv, const GOptionEntry *options, const char *arguments,
            const char *summary, int min, int max, ExitStatus *status)
{
  g_autofree char *program = g_strdup_printf ("gild %s", argv[0]);
  g_autofree char *config_path = NULL;
  const GOptionEntry common[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &config_path, "Read FILE, not the installed one",
      "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &verb->json, "Print for programs, as JSON", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new (arguments);
  g_autoptr (GError) error = NULL;

  verb->name = argv[0];
  g_set_prgname (program);
  g_option_context_set_summary (context, summary);
  if (options)
    g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_main_entries (context, common, NULL);
  gboolean parsed = g_option_context_parse (context, &argc, &argv, &error);
  if (parsed)
    {
      take_arguments (verb, argc, argv);
      if (verb->argc < min || verb->argc > max)
        {
          g_set_error (&error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                       verb->argc < min ? "an argument is missing; it takes: %s"
                                        : "there are too many arguments; it takes: %s",
                       *arguments ? arguments : "none");
          parsed = FALSE;
        }
    }
  if (!parsed)
    {
      *status = verb_usage (verb, error);
      return FALSE;
    }
  verb->is_config_installed = !config_path && !g_getenv ("GILD_CONFIG");
  verb->config_path = config_path ? g_canonicalize_filename (config_path, NULL) : NULL;
  verb->config = config_load (config_path, &error);
  if (!verb->config)
    *status = verb_fail (verb, error);
  return verb->config != NULL;
}

ImageLibrary *
verb_open_library (const Verb *verb, GError **error)
{
  return site_become_store_owner (verb->config, error) ? image_library_open (verb->config, error)
                                                       : NULL;
}

void
verb_clear (Verb *verb)
{
  config_free (verb->config);
  g_free (verb->config_path);
}
