// SPDX-License-Identifier: GPL-2.0-or-later
// gild publish: make the next version of an image from a disk image file.

#include "gild.h"

#include <stdio.h>

#include "qcow-backing/channel-change.h"
#include "qcow-backing/publish.h"
#include "qcow-backing/site.h"
#include "qcow-backing/size.h"

static void
name_layers (GPtrArray *chain)
{
  for (guint i = 0; i < chain->len; i++)
    {
      const DiskImageLayer *layer = chain->pdata[i];
      fprintf (stderr, "%s %s (%s)\n", i ? "  over" : "reading", layer->path, layer->format);
    }
}

void
publish_print (const Verb *verb, const PublishOptions *options, const PublishResult *result,
               double seconds)
{
  const char *image = options->image;
  g_autofree char *new_size = size_format (result->new_size);
  g_autofree char *data_size = size_format (result->data_size);
  g_autofree char *stored_size = size_format (result->stored_size);

  if (!verb->json)
    {
      printf ("%s@%u\n", image, result->version);
      printf ("new: %s of %s, in %" G_GUINT64_FORMAT " chunks, stored in %s; %.1f s\n", new_size,
              data_size, result->new_chunks, stored_size, seconds);
      return;
    }
  g_autoptr (JsonObject) object = json_object_new ();
  json_object_set_string_member (object, "image", image);
  json_object_set_int_member (object, "version", result->version);
  if (options->edited)
    json_object_set_int_member (object, "parent", options->edited);
  json_object_set_int_member (object, "virtual_size", (gint64)result->virtual_size);
  json_object_set_int_member (object, "data_size", (gint64)result->data_size);
  json_object_set_int_member (object, "new_size", (gint64)result->new_size);
  json_object_set_int_member (object, "new_chunks", (gint64)result->new_chunks);
  json_object_set_int_member (object, "stored_size", (gint64)result->stored_size);
  json_object_set_double_member (object, "seconds", seconds);
  json_print_object (object);
}

/* Root's part: read the key, open the files.  Then the store's owner's.  */
static gboolean
publish (const Verb *verb, const char *file, const char *format, char **backing_dirs,
         const PublishOptions *options, PublishResult *result, GError **error)
{
  ChildIdentity reader;
  g_autoptr (SigningKey) key = NULL;
  g_autoptr (GPtrArray) chain = NULL;
  g_autoptr (NbdSource) source = NULL;
  g_autoptr (ImageLibrary) library = NULL;

  if (!site_reader_identity (verb->config, &reader, error)
      || !(chain =
               disk_image_chain (file, format, (const char *const *)backing_dirs, &reader, error))
      || !(key = site_load_signing_key (verb->config, error))
      || !(source = nbd_source_open (chain, PUBLISH_WORKERS, &reader, error))
      || !site_become_store_owner (verb->config, error)
      || !(library = image_library_open (verb->config, error)))
    return FALSE;
  name_layers (chain);
  g_autoptr (TerminalProgress) progress = terminal_progress_new (options->image);
  return publish_run (library, key, source, options, terminal_progress_get (progress), result,
                      error);
}

ExitStatus
verb_publish (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *format = NULL, *note = NULL, *channel = NULL;
  g_auto (GStrv) backing_dirs = NULL;
  const GOptionEntry options[] = {
    { "format", 'f', 0, G_OPTION_ARG_STRING, &format,
      "FILE's format, if its suffix does not say: qcow2, raw, vmdk, vhdx, vpc, vdi", "FORMAT" },
    { "note", 0, 0, G_OPTION_ARG_STRING, &note, "Why there is this version", "TEXT" },
    { "channel", 0, 0, G_OPTION_ARG_STRING, &channel, "The channel that shall name it [production]",
      "NAME" },
    { "backing-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &backing_dirs,
      "A further directory where backing files may lie; can be repeated", "DIR" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  PublishResult result;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE FILE",
          "Make the next version of IMAGE (DEPARTMENT/NAME) from the disk image FILE, as a guest would\n"
          "see it. FILE is only read. Only what the store does not have yet is added to it.",
          2, 2, &status))
    return status;
  g_autofree char *author = channel_change_author ();
  PublishOptions publish_options = { .image = verb.argv[0],
                                     .channel = channel ? channel : CHANNEL_DEFAULT,
                                     .note = note ? note : "",
                                     .action = CHANNEL_PUBLISH,
                                     .by = author };
  if (!publish_check (&publish_options, &error))
    return verb_usage (&verb, error);
  gint64 started = g_get_monotonic_time ();
  if (!publish (&verb, verb.argv[1], format, backing_dirs, &publish_options, &result, &error))
    return verb_fail (&verb, error);
  publish_print (&verb, &publish_options, &result,
                 (double)(g_get_monotonic_time () - started) / 1e6);
  return EXIT_DONE;
}
