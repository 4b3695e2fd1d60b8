// SPDX-License-Identifier: GPL-2.0-or-later
// gild fetch: have all of a version on this host, so that it boots without any other.

#include "gild.h"

#include <stdio.h>

#include "daemon/control-client.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"

#define TIMEOUT_SECONDS 30
#define POLL_US         (G_USEC_PER_SEC / 20)

/* Ask gildd for REF, and how far it is.  */
static JsonNode *
ask (const Verb *verb, const char *ref, GError **error)
{
  g_autofree char *socket = config_run_path (verb->config, "gildd.sock", NULL);
  g_autoptr (JsonNode) body = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "image", ref);
  json_node_take_object (body, object);
  return control_call (socket, "POST", "/fetches", body, TIMEOUT_SECONDS, error);
}

/* Report how far ANSWER says it is; *STATE is the answer's.  */
static gboolean
read_answer (JsonObject *answer, const Progress *progress, const char **state, GError **error)
{
  guint64 total, missing;

  *state = json_read_string (answer, "state", 20, error);
  if (!*state || !json_read_uint (answer, "total", 0, G_MAXINT64, &total, error)
      || !json_read_uint (answer, "missing", 0, G_MAXINT64, &missing, error))
    return FALSE;
  progress_report (progress, total - MIN (missing, total), total);
  return TRUE;
}

/* Ask until it has ended; gildd's last answer.  */
static JsonNode *
fetch (const Verb *verb, const char *ref, GError **error)
{
  g_autoptr (TerminalProgress) terminal = terminal_progress_new (ref);
  const Progress *progress = terminal_progress_get (terminal);

  while (!progress_is_cancelled (progress))
    {
      g_autoptr (JsonNode) answer = ask (verb, ref, error);
      const char *state;
      if (!answer || !read_answer (json_node_get_object (answer), progress, &state, error))
        return NULL;
      if (g_str_equal (state, "complete") || g_str_equal (state, "failed"))
        return g_steal_pointer (&answer);
      g_usleep (POLL_US);
    }
  fail (error, "interrupted; what has come stays, and the next fetch goes on from there");
  return NULL;
}

ExitStatus
verb_fetch (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *image = NULL;
  guint version;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, NULL, "IMAGE[@VERSION]",
          "Get all of a version that this host lacks from the other hosts of the site, so that desktops boot\n"
          "from it with no other host there: the one that the channel production names, or VERSION.",
          1, 1, &status))
    return status;
  if (!image_ref_parse (verb.argv[0], &image, &version, &error))
    return verb_usage (&verb, error);
  g_autoptr (JsonNode) answer = fetch (&verb, verb.argv[0], &error);
  if (!answer)
    return verb_fail (&verb, error);
  JsonObject *object = json_node_get_object (answer);
  const char *why = json_object_get_string_member_with_default (object, "error", NULL);
  if (why)
    {
      fail (&error, "%s", why);
      return verb_fail (&verb, error);
    }
  if (verb.json)
    json_print_object (object);
  else
    printf ("%s@%u is offline-ready\n", image,
            (guint)json_object_get_int_member_with_default (object, "version", version));
  return EXIT_DONE;
}
