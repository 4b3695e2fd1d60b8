// SPDX-License-Identifier: GPL-2.0-or-later
// gild keep: have what a running desktop writes kept when it is shut down, for gild capture.

#include "gild.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/control-client.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/kept-overlays.h"
#include "qcow-backing/size.h"

#define TIMEOUT_SECONDS 5

static gboolean
mark (const Verb *verb, const char *name, gboolean keep, GError **error)
{
  g_autofree char *socket = config_run_path (verb->config, "gildd.sock", NULL);
  g_autofree char *path = g_strdup_printf ("/desktops/%s/keep", name);
  g_autoptr (JsonNode) body = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_boolean_member (object, "keep", keep);
  json_node_take_object (body, object);
  g_autoptr (JsonNode) answer = control_call (socket, "POST", path, body, TIMEOUT_SECONDS, error);
  return answer != NULL;
}

/* Remove what is kept; *BYTES is how much that was.  G_IO_ERROR_NOT_FOUND where it is nothing.  */
static gboolean
drop_kept (const Verb *verb, const char *name, guint64 *bytes, GError **error)
{
  int hold = kept_hold (verb->config, name, error);
  int lock = hold < 0 ? -1 : kept_lock (verb->config, TRUE, error);
  g_autoptr (KeptOverlays) kept = kept_load (verb->config, name, NULL); // be it damaged

  *bytes = kept ? kept->bytes : 0;
  gboolean done = lock >= 0 && kept_remove (verb->config, name, error);
  if (lock >= 0)
    close (lock);
  if (hold >= 0)
    close (hold);
  return done;
}

/* What is kept goes, or else the wish to keep.  */
static gboolean
drop (const Verb *verb, const char *name, guint64 *bytes, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (drop_kept (verb, name, bytes, &cause))
    return TRUE;
  if (!g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  g_autoptr (JsonNode) node = pin_load (verb->config, name, NULL);
  g_autoptr (Pin) pin = node ? pin_read (node, NULL) : NULL;
  if (pin && pin->keep)
    return mark (verb, name, FALSE, error);
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static void
print_result (const Verb *verb, const char *name, gboolean is_drop, guint64 bytes)
{
  g_autofree char *size = size_format (bytes);
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "name", name);
  json_object_set_boolean_member (object, "keep", !is_drop);
  json_object_set_int_member (object, "freed", (gint64)bytes);
  if (verb->json)
    json_print_object (object);
  else if (is_drop && bytes > 0)
    printf ("what was kept of %s is gone: %s\n", name, size);
  else if (is_drop)
    printf ("%s is golden again at its next start\n", name);
  else
    printf (
        "what %s writes is kept once, when it is shut down; then `gild capture %s IMAGE` publishes it\n",
        name, name);
}

ExitStatus
verb_keep (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  gboolean is_drop = FALSE;
  const GOptionEntry options[] = {
    { "drop", 0, 0, G_OPTION_ARG_NONE, &is_drop,
      "Throw away what is kept, or keep nothing after all", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  guint64 bytes = 0;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "DESKTOP",
          "Have what the running desktop DESKTOP has written when it is shut down kept once, on the disk. Then\n"
          "`gild capture DESKTOP IMAGE` publishes it. The desktop's next start is golden all the same. `gild\n"
          "desktops` lists what is kept.",
          1, 1, &status))
    return status;
  const char *name = verb.argv[0];
  if (!desktop_name_check (name, &error))
    return verb_usage (&verb, error);
  if (is_drop ? !drop (&verb, name, &bytes, &error) : !mark (&verb, name, TRUE, &error))
    return verb_fail (&verb, error);
  print_result (&verb, name, is_drop, bytes);
  return EXIT_DONE;
}
