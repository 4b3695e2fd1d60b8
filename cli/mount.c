// SPDX-License-Identifier: GPL-2.0-or-later
// gild mount: in the COMMAND of gild edit, mount the file system of the copy.

#include "gild.h"

#include "edit-mount.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"

/* What gild edit has told COMMAND.  */
static gboolean
read_environment (EditMount *mount, GError **error)
{
  const char *version = g_getenv ("GILD_VERSION");

  mount->disk = g_getenv ("GILD_DISK");
  mount->image = g_getenv ("GILD_IMAGE");
  if (!mount->disk || !mount->image || !version)
    return fail (
        error,
        "gild mount is for COMMAND of `gild edit IMAGE -- COMMAND`; to look at an image use `gild attach`");
  return image_name_check (mount->image, error) && version_parse (version, &mount->version, error)
         && (g_path_is_absolute (mount->disk)
             || fail (error, "$GILD_DISK is '%s', and no absolute path", mount->disk));
}

ExitStatus
verb_mount (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  EditMount mount = { .partition = ATTACH_ONLY_PARTITION };
  const GOptionEntry options[] = {
    { "partition", 0, 0, G_OPTION_ARG_INT, &mount.partition,
      "Which partition of the disk; 0: all of it", "N" },
    { "read-only", 0, 0, G_OPTION_ARG_NONE, &mount.read_only, "Take no writes", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "DIRECTORY",
          "Mount the file system of the copy that gild edit has given to this command at DIRECTORY.\n"
          "What is written there is part of what is published; gild edit unmounts it.",
          1, 1, &status))
    return status;
  if (!attach_check_partition (mount.partition, &error))
    return verb_usage (&verb, error);
  mount.config = verb.config;
  mount.directory = verb.argv[0];
  if (!read_environment (&mount, &error) || !edit_mount (&mount, &error))
    return verb_fail (&verb, error);
  return EXIT_DONE;
}
