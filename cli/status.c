// SPDX-License-Identifier: GPL-2.0-or-later
// gild status: show what gildd says of this host.

#include "gild.h"

#include <stdio.h>

#include "daemon/control-client.h"
#include "qcow-backing/printable.h"

#define TIMEOUT_SECONDS 5

/* MEMBER of OBJECT, as it may be shown, or NULL; the caller's.  */
static char *
get_line (JsonObject *object, const char *member)
{
  const char *text = json_object_get_string_member_with_default (object, member, NULL);

  return text ? printable_line (text) : NULL;
}

static void
print_network (JsonObject *object)
{
  g_autofree char *host = get_line (object, "host");
  g_autofree char *trouble = get_line (object, "network");

  if (host)
    printf ("host:      %s, and %" G_GINT64_FORMAT " others\n", host,
            json_object_get_int_member_with_default (object, "others", 0));
  if (trouble)
    printf ("network:   %s\n", trouble);
}

static void
print_text (JsonObject *object)
{
  g_autofree char *version = get_line (object, "version");
  g_autofree char *trouble = get_line (object, "libvirt");
  g_autofree char *site = get_line (object, "site");
  g_autofree char *state = get_line (object, "state");
  gint64 damaged = json_object_get_int_member_with_default (object, "damaged", 0);

  printf ("gildd:     %s\n", version ? version : "?");
  printf ("site:      %s\n", site ? site : "none; run `gild init SITE`");
  print_network (object);
  printf ("state:     %s\n", state ? state : "?");
  printf ("images:    %" G_GINT64_FORMAT "\n",
          json_object_get_int_member_with_default (object, "images", 0));
  printf ("desktops:  %" G_GINT64_FORMAT " running\n",
          json_object_get_int_member_with_default (object, "desktops", 0));
  printf ("libvirt:   %s\n", trouble ? trouble : "connected");
  if (damaged > 0)
    printf ("damaged:   %" G_GINT64_FORMAT
            " %s set aside; run `gild verify --repair` and do what it says\n",
            damaged, damaged == 1 ? "chunk" : "chunks");
}

ExitStatus
verb_status (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, NULL, "",
          "Show whether gildd runs, for which site, which hosts it knows, how many images and desktops it has,\n"
          "and how many chunks were damaged and are set aside.",
          0, 0, &status))
    return status;
  g_autofree char *socket = config_run_path (verb.config, "gildd.sock", NULL);
  g_autoptr (JsonNode) answer =
      control_call (socket, "GET", "/status", NULL, TIMEOUT_SECONDS, &error);
  if (!answer)
    return verb_fail (&verb, error);
  if (verb.json)
    json_print_object (json_node_get_object (answer));
  else
    print_text (json_node_get_object (answer));
  return EXIT_DONE;
}
