// SPDX-License-Identifier: GPL-2.0-or-later
// gild capture: what a desktop has written becomes the next version of an image.
//
// Of one that runs: from one instant on (capture-instant.h) it writes to a new layer, and those
// below are read without it.  They are open before they are read, so that the desktop may end
// meanwhile.  Of one that was shut down: what `gild keep` had kept, which goes when it is
// published.
//
// Root all the time, but for who reads the layers, and for the child process that publishes.

#include "gild.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture-source.h"
#include "publish-child.h"
#include "qcow-backing/channel-change.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/publish.h"
#include "qcow-backing/site.h"

/* What is asked for, and then what there is.  */
typedef struct
{
  const Verb *verb;
  PublishOptions options;
  CaptureSource source;
  ChildIdentity reader;
  SigningKey *key;
  ImageVersion *below; // what the desktop booted; stays as long as its index is open
  CaptureInstant instant;
} Capture;

static void
capture_clear (Capture *capture)
{
  capture_source_clear (&capture->source);
  g_clear_pointer (&capture->key, signing_key_free);
  g_clear_pointer (&capture->below, image_version_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Capture, capture_clear)

/* Into an image of another name than the desktop's.  */
static gboolean
is_another_image (const Capture *capture)
{
  return !g_str_equal (capture->options.image, capture->source.image);
}

/* Find out that all of it can be published, before the desktop is touched.  */
static gboolean
begin (Capture *capture, const char *name, const char *target, GError **error)
{
  const Config *config = capture->verb->config;
  PublishOptions *options = &capture->options;
  g_autoptr (ImageLibrary) library = NULL;

  if (geteuid () != 0)
    return fail (error, "only root can read what a desktop has written");
  if (!capture_source_find (&capture->source, config, name, target, error)
      || !site_reader_identity (config, &capture->reader, error)
      || !(capture->key = site_load_signing_key (config, error))
      || !(library = image_library_open (config, error)))
    return FALSE;
  options->edited = capture->source.version;
  options->edited_image = is_another_image (capture) ? capture->source.image : NULL;
  if (!publish_note_channel (library, options, error)
      || !publish_check_edit (library, options, error))
    return FALSE;
  capture->below = image_library_load (library, capture->source.image, options->edited, error);
  return capture->below != NULL;
}

/* The layers are open when this begins to read, so nobody needs their files any more.  */
static gboolean
publish (const Capture *capture, PublishResult *result, GError **error)
{
  g_autoptr (GPtrArray) chain =
      disk_image_overlays (capture->source.paths, &capture->reader, error);
  g_autoptr (NbdSource) source =
      chain ? nbd_source_open (chain, PUBLISH_WORKERS, &capture->reader, error) : NULL;
  const PublishChild child = { &capture->options, capture->key, source, NULL };

  return source && publish_child_run (capture->verb->config, &child, result, error);
}

/* Nobody else captures or drops it, as long as this process lives.  */
static gboolean
hold_kept (const Capture *capture, GError **error)
{
  return !capture->source.kept
         || kept_hold (capture->verb->config, capture->source.name, error) >= 0;
}

static gboolean
remove_kept (const Capture *capture, GError **error)
{
  int lock = capture->source.kept ? kept_lock (capture->verb->config, TRUE, error) : -1;

  if (!capture->source.kept)
    return TRUE;
  gboolean done = lock >= 0 && kept_remove (capture->verb->config, capture->source.name, error);
  if (lock >= 0)
    close (lock);
  return done;
}

static void
describe_instant (const Capture *capture)
{
  const char *name = capture->source.name;
  const CaptureInstant *instant = &capture->instant;

  if (capture->source.kept)
    fprintf (stderr, "%s: what was kept at its shutdown, %s\n", name, capture->source.kept->at);
  else if (instant->is_frozen)
    fprintf (stderr, "%s: its file systems were frozen for %u ms\n", name, instant->frozen_ms);
  else
    fprintf (stderr,
             "%s: the copy is as after a power cut, since its file systems were not frozen: %s\n",
             name, instant->unfrozen_because);
}

static void
print_json (const Capture *capture, const PublishResult *result, double seconds)
{
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "desktop", capture->source.name);
  json_object_set_string_member (object, "image", capture->options.image);
  if (result->version)
    json_object_set_int_member (object, "version", result->version);
  else
    {
      json_object_set_null_member (object, "version");
      json_object_set_boolean_member (object, "unchanged", TRUE);
    }
  if (is_another_image (capture))
    json_object_set_null_member (object, "parent");
  else
    json_object_set_int_member (object, "parent", capture->source.version);
  json_object_set_boolean_member (object, "kept", capture->source.kept != NULL);
  json_object_set_boolean_member (object, "frozen", capture->instant.is_frozen);
  json_object_set_int_member (object, "frozen_ms", capture->instant.frozen_ms);
  json_object_set_int_member (object, "new_size", (gint64)result->new_size);
  json_object_set_int_member (object, "new_chunks", (gint64)result->new_chunks);
  json_object_set_int_member (object, "stored_size", (gint64)result->stored_size);
  json_object_set_double_member (object, "seconds", seconds);
  json_print_object (object);
}

static void
print_result (const Capture *capture, const PublishResult *result, double seconds)
{
  if (capture->verb->json)
    print_json (capture, result, seconds);
  else if (result->version == 0)
    printf ("%s has changed nothing in %s@%u: there is no new version\n", capture->source.name,
            capture->options.image, capture->source.version);
  else
    publish_print (capture->verb, &capture->options, result, seconds);
}

static ExitStatus
run (Capture *capture, const char *name, const char *target)
{
  const Verb *verb = capture->verb;
  gint64 started = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  PublishResult result;

  if (!begin (capture, name, target, &error) || !hold_kept (capture, &error)
      || !capture_source_take (&capture->source, &capture->instant, &error))
    return verb_fail (verb, error);
  describe_instant (capture);
  if (!publish (capture, &result, &error))
    return verb_fail (verb, error);
  print_result (capture, &result, (double)(g_get_monotonic_time () - started) / 1e6);
  if (!remove_kept (capture, &error))
    return verb_fail (verb, error);
  return EXIT_DONE;
}

ExitStatus
verb_capture (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (Capture) capture = { .verb = &verb };
  g_autofree char *target = NULL, *note = NULL, *channel = NULL;
  g_autofree char *author = channel_change_author ();
  const GOptionEntry options[] = {
    { "target", 0, 0, G_OPTION_ARG_STRING, &target, "Which disk, if there are several: vda",
      "TARGET" },
    { "channel", 0, 0, G_OPTION_ARG_STRING, &channel, "The channel that shall name it [production]",
      "NAME" },
    { "note", 0, 0, G_OPTION_ARG_STRING, &note, "Why there is this version", "TEXT" },
    { "force", 0, 0, G_OPTION_ARG_NONE, &capture.options.force,
      "Publish though the version that the desktop booted is in production no more", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "DESKTOP IMAGE",
          "Make what the desktop DESKTOP has on its disk the next version of IMAGE: as it is at this instant if\n"
          "it runs, and it runs on; as it was at its shutdown if `gild keep` was said before that. Only what the\n"
          "desktop has changed is read.",
          2, 2, &status))
    return status;
  capture.options.image = verb.argv[1];
  capture.options.channel = channel ? channel : CHANNEL_DEFAULT;
  capture.options.note = note ? note : "";
  capture.options.action = CHANNEL_CAPTURE;
  capture.options.by = author;
  if (!desktop_name_check (verb.argv[0], &error) || !publish_check (&capture.options, &error)
      || (target && !disk_target_check (target, &error)))
    return verb_usage (&verb, error);
  return run (&capture, verb.argv[0], target);
}
