// SPDX-License-Identifier: GPL-2.0-or-later
// gild's other verbs, as a night runs them: each in a child, for a bounded time, its answer read as
// JSON.

#include "nightly-verb.h"

#include <string.h>

#include "qcow-backing/json-read.h"

static int
run_verb (gpointer data)
{
  GPtrArray *argv = data;

  return (int)gild_run_verb ((int)argv->len - 1, (char **)argv->pdata);
}

/* Options stand in front of a "--" among the arguments.  */
static GPtrArray *
build_argv (const Verb *verb, const char *const *arguments)
{
  GPtrArray *argv = g_ptr_array_new ();

  g_ptr_array_add (argv, (gpointer)arguments[0]);
  g_ptr_array_add (argv, (gpointer) "--json");
  if (verb->config_path)
    {
      g_ptr_array_add (argv, (gpointer) "--config");
      g_ptr_array_add (argv, verb->config_path);
    }
  for (gsize i = 1; arguments[i]; i++)
    g_ptr_array_add (argv, (gpointer)arguments[i]);
  g_ptr_array_add (argv, NULL);
  return argv;
}

JsonNode *
nightly_verb_run (const Verb *verb, const char *const *arguments, guint timeout_seconds,
                  BoundedChild *child)
{
  g_autoptr (GPtrArray) argv = build_argv (verb, arguments);
  g_autoptr (GError) error = NULL;

  if (!bounded_child_run (run_verb, argv, NULL, timeout_seconds, child, &error))
    {
      child->status = EXIT_FAILED;
      child->output = g_strdup ("");
      child->said = g_strdup (error->message);
    }
  return json_read_object (child->output, strlen (child->output), NULL, NULL);
}

char *
nightly_verb_complaint (const BoundedChild *child, const char *name)
{
  g_autofree char *prefix = g_strdup_printf ("gild %s: ", name);
  const char *sentence = g_strrstr (child->said, prefix);

  if (child->timed_out)
    return g_strdup_printf ("gild %s took too long and was ended", name);
  if (!sentence)
    return g_strdup_printf ("gild %s ended with status %d", name, child->status);
  sentence += strlen (prefix);
  return g_strndup (sentence, strcspn (sentence, "\n"));
}
