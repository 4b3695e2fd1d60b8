// SPDX-License-Identifier: GPL-2.0-or-later
// gild export: write a version to a qcow2 file.

#include "gild.h"

#include <stdio.h>

#include "qcow-backing/export.h"
#include "qcow-backing/image-library.h"
#include "qcow-backing/image-name.h"

/* The version that is meant: the one named, or production's.  */
static gboolean
choose_version (const Config *config, const char *image, guint *version, GError **error)
{
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  g_autoptr (VersionRecord) record = NULL;

  if (!library
      || (*version == 0
          && !image_library_resolve (library, image, CHANNEL_DEFAULT, version, error)))
    return FALSE;
  record = image_library_load_record (library, image, *version, error);
  return record != NULL;
}

ExitStatus
verb_export (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  gboolean force = FALSE;
  const GOptionEntry options[] = {
    { "force", 0, 0, G_OPTION_ARG_NONE, &force, "Replace FILE if it exists", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autofree char *image = NULL;
  g_autoptr (GError) error = NULL;
  guint version;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE[@VERSION] FILE",
          "Write a version of IMAGE, the production one if none is named, to the qcow2 file FILE.",
          2, 2, &status))
    return status;
  if (!image_ref_parse (verb.argv[0], &image, &version, &error))
    return verb_usage (&verb, error);
  if (!choose_version (verb.config, image, &version, &error)
      || !export_run (verb.config, image, version, verb.argv[1], force, &error))
    return verb_fail (&verb, error);
  if (verb.json)
    {
      g_autoptr (JsonObject) object = json_object_new ();
      json_object_set_string_member (object, "image", image);
      json_object_set_int_member (object, "version", version);
      json_object_set_string_member (object, "file", verb.argv[1]);
      json_print_object (object);
    }
  else
    printf ("%s@%u is in %s\n", image, version, verb.argv[1]);
  return EXIT_DONE;
}
