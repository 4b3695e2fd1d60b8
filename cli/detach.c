// SPDX-License-Identifier: GPL-2.0-or-later
// gild detach: the end of what gild attach made, with all that was written there.

#include "gild.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/control-client.h"
#include "qcow-backing/fail.h"
#include "virt-hooks/attachment.h"
#include "virt-hooks/overlay-mount.h"

#define RELEASE_TIMEOUT_SECONDS 5
#define ENDING_SECONDS          10

/* Unmount it, and wait until nobody has the disk, and so neither its overlay.  A mount that
   somebody was making may come meanwhile.  */
static gboolean
unmount (const Config *config, const char *name, const OverlayMount *overlays,
         const char *directory, GError **error)
{
  gint64 end = g_get_monotonic_time () + ENDING_SECONDS * G_TIME_SPAN_SECOND;
  gboolean lost = !overlay_mount_is_held (overlays); // nobody's work any more

  while (attachment_unmount (config->run_dir, name, lost, error))
    {
      if (!overlay_mount_is_held (overlays))
        return TRUE;
      if (g_get_monotonic_time () > end)
        return fail (
            error,
            "%s is unmounted here, but somebody still has the drive, perhaps in a container: end that, and run this again",
            directory);
      g_usleep (G_TIME_SPAN_SECOND / 100);
    }
  return FALSE;
}

static void
release_pin (const Config *config, const char *name)
{
  g_autofree char *socket_path = config_run_path (config, "gildd.sock", NULL);
  g_autofree char *path = g_strconcat ("/desktops/", name, NULL);
  g_autoptr (JsonNode) answer =
      control_call (socket_path, "DELETE", path, NULL, RELEASE_TIMEOUT_SECONDS, NULL);
}

/* Whether nobody is attaching there at this moment; what cannot be opened is lost.  */
static gboolean
check_settled (const char *directory, GError **error)
{
  g_autoptr (GError) cause = NULL;
  int fd = attachment_lock (directory, &cause);

  if (fd >= 0)
    close (fd); // or it could not be unmounted
  if (fd >= 0 || !g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_BUSY))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
run (const Config *config, const char *directory, GError **error)
{
  g_autofree char *name = attachment_name (config->run_dir, directory);
  g_autoptr (OverlayMount) overlays = overlay_mount_open (config->run_dir, name, error);

  if (!overlays || !check_settled (directory, error))
    return FALSE;
  if (!overlay_mount_has_leftovers (overlays) && !attachment_has_mounts (config->run_dir, name))
    return fail (error, "no image is attached at %s; `gild desktops` lists those that are",
                 directory);
  if (!unmount (config, name, overlays, directory, error)
      || !overlay_mount_remove (overlays, error))
    return FALSE;
  release_pin (config, name);
  return overlay_mount_remove_pin (overlays, error);
}

static void
print_result (const char *directory, gboolean json)
{
  if (!json)
    {
      printf ("%s is detached, and what was written there is gone\n", directory);
      return;
    }
  g_autoptr (JsonObject) object = json_object_new ();
  json_object_set_string_member (object, "directory", directory);
  json_print_object (object);
}

ExitStatus
verb_detach (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *directory = NULL;
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, NULL, "DIRECTORY",
          "Unmount the image that `gild attach` has put at DIRECTORY, and throw away what was written there.",
          1, 1, &status))
    return status;
  if (geteuid () != 0)
    fail (&error, "only root can detach an image: run it with sudo");
  else if ((directory = attachment_directory (verb.argv[0], &error)))
    run (verb.config, directory, &error);
  if (error)
    return verb_fail (&verb, error);
  print_result (directory, verb.json);
  return EXIT_DONE;
}
