// SPDX-License-Identifier: GPL-2.0-or-later
// gild edit: change a private copy of an image, and publish what has changed.
//
// Root all the time, but for what handles the copy's bytes: who serves it is the store's owner, who
// checks and reads it is nobody special (site_reader_identity), and who publishes it is a child
// process that is the store's owner.  The version that is edited stays, since its index is open.

#include "gild.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/nbd-check.h"
#include "edit-command.h"
#include "edit-mount.h"
#include "edit-signals.h"
#include "qcow-backing/channel-change.h"
#include "qcow-backing/duration.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/overlay.h"
#include "qcow-backing/publish.h"
#include "qcow-backing/site.h"

#define DISK   "disk.qcow2"
#define SOCKET "nbd.sock"

/* What is asked for, and then what there is.  */
typedef struct
{
  const Verb *verb;
  PublishOptions options;
  char **argv;            // COMMAND
  const char *mount_path; // --mount
  int partition;
  guint timeout_seconds;
  ChildIdentity owner, reader;
  EditDirectory *directory;
  char *disk, *backing, *uri, *nbd_socket;
  NbdOnDemand *nbd;
} Edit;

static void
edit_clear (Edit *edit)
{
  nbd_on_demand_free (edit->nbd);
  edit_directory_remove (edit->directory);
  g_free (edit->disk);
  g_free (edit->backing);
  g_free (edit->uri);
  g_free (edit->nbd_socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Edit, edit_clear)

/* Which version is edited, unless that was said: the one that the channel names, or, where that is
   new, the production one.  */
static gboolean
choose_version (const ImageLibrary *library, PublishOptions *options, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (ChannelRecord) channels =
      image_library_load_channels (library, options->image, &local_error);

  if (local_error)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  options->channel_named = channels ? channel_record_get (channels, options->channel) : 0;
  if (options->edited == 0)
    options->edited = options->channel_named;
  return options->edited != 0
         || image_library_resolve (library, options->image, CHANNEL_DEFAULT, &options->edited,
                                   error);
}

/* The version that is edited, and that all of it can be published later, before COMMAND does its
   work in vain.  */
static ImageVersion *
begin (Edit *edit, GError **error)
{
  const Config *config = edit->verb->config;
  g_autoptr (SigningKey) key = site_load_signing_key (config, error);
  g_autoptr (ImageLibrary) library = key ? image_library_open (config, error) : NULL;

  edit->nbd_socket = config_run_path (config, "nbd.sock", NULL);
  if (!library || !site_owner_identity (config, &edit->owner, error)
      || !site_reader_identity (config, &edit->reader, error)
      || !choose_version (library, &edit->options, error)
      || !publish_check_edit (library, &edit->options, error)
      || !nbd_check (edit->nbd_socket, error))
    return NULL;
  return image_library_load (library, edit->options.image, edit->options.edited, error);
}

/* Make the copy: an overlay of the store's owner, who serves it.  */
static gboolean
make_copy (Edit *edit, const ImageVersion *version, GError **error)
{
  edit->directory = edit_directory_make (edit->verb->config, error);
  if (!edit->directory)
    return FALSE;
  edit->disk = g_build_filename (edit_directory_path (edit->directory), DISK, NULL);
  edit->backing = overlay_backing_uri (edit->options.image, edit->options.edited, edit->nbd_socket);
  g_auto (GStrv) argv =
      overlay_create_argv (edit->disk, "raw", edit->backing, index_virtual_size (version->index));
  if (!attach_run (argv, error))
    {
      g_prefix_error (error, "the copy cannot be made: ");
      return FALSE;
    }
  return (chmod (edit->disk, 0600) == 0
          && (!edit->owner.is_needed || chown (edit->disk, edit->owner.uid, edit->owner.gid) == 0))
         || fail_errno (error, "%s", edit->disk);
}

/* Serve the copy to whoever wants it by NBD.  */
static gboolean
serve_copy (Edit *edit, GError **error)
{
  g_autofree char *path = g_build_filename (edit_directory_path (edit->directory), SOCKET, NULL);
  g_autofree char *escaped = g_uri_escape_string (path, "/", FALSE);

  edit->uri = g_strconcat ("nbd+unix:///?socket=", escaped, NULL);
  edit->nbd = nbd_on_demand_new (path, edit->disk, edit->backing, &edit->owner, error);
  return edit->nbd != NULL;
}

static char **
make_environment (const Edit *edit)
{
  g_autofree char *version = g_strdup_printf ("%u", edit->options.edited);
  char **environment = g_get_environ ();

  environment = g_environ_setenv (environment, "GILD_DISK", edit->disk, TRUE);
  environment = g_environ_setenv (environment, "GILD_FORMAT", "qcow2", TRUE);
  environment = g_environ_setenv (environment, "GILD_NBD", edit->uri, TRUE);
  environment = g_environ_setenv (environment, "GILD_IMAGE", edit->options.image, TRUE);
  environment = g_environ_setenv (environment, "GILD_VERSION", version, TRUE);
  if (edit->verb->config_path)
    environment = g_environ_setenv (environment, "GILD_CONFIG", edit->verb->config_path, TRUE);
  return environment;
}

static gboolean
mount_copy (const Edit *edit, GError **error)
{
  const EditMount mount = { .config = edit->verb->config,
                            .disk = edit->disk,
                            .image = edit->options.image,
                            .version = edit->options.edited,
                            .partition = edit->partition,
                            .directory = edit->mount_path };

  return !edit->mount_path || edit_mount (&mount, error);
}

/* Run COMMAND, and have all that it has written in the copy, and nobody use that, if *STATUS is
   0.  */
static gboolean
change (Edit *edit, int *status, GError **error)
{
  g_auto (GStrv) environment = make_environment (edit);
  g_autofree char *loop_name = edit_mount_loop_name (edit->disk);
  EditCommand command = { .argv = edit->argv,
                          .environment = environment,
                          .timeout_seconds = edit->timeout_seconds,
                          .stdout_is_stderr = edit->verb->json,
                          .directory = edit->directory,
                          .nbd = edit->nbd,
                          .disk = DISK,
                          .loop_name = loop_name };

  if (!edit_signals_catch (error) || !edit_command_prepare (&command, error))
    return FALSE;
  gboolean ran = mount_copy (edit, error) && edit_command_run (&command, status, error);
  gboolean cleared = edit_command_clear (&command, ran && *status == 0 ? error : NULL);
  close (command.host_mounts);
  return ran && (cleared || *status != 0);
}

/* What the child process that publishes works with, and its result in memory that both share.  */
typedef struct
{
  const PublishOptions *options;
  const SigningKey *key;
  NbdSource *source;
  pid_t parent;
  PublishResult *result;
} Publishing;

static gboolean
publish_as_owner (const Config *config, gpointer data, GError **error)
{
  const Publishing *publishing = data;
  g_autoptr (ImageLibrary) library = NULL;

  if (geteuid () != 0 && getpid () != publishing->parent)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      if (getppid () != publishing->parent)
        return fail (error, "gild was killed");
    }
  library = image_library_open (config, error);
  if (!library)
    return FALSE;
  g_autoptr (TerminalProgress) shown = terminal_progress_new (publishing->options->image);
  Progress progress = *terminal_progress_get (shown);
  progress.cancelled = edit_signals_interrupted (); // this process may be signalled, or its parent
  if (!edit_signals_catch (error))
    return FALSE;
  return publish_run (library, publishing->key, publishing->source, publishing->options, &progress,
                      publishing->result, error);
}

static gboolean
publish (const Edit *edit, PublishResult *result, GError **error)
{
  const Config *config = edit->verb->config;
  g_autoptr (GPtrArray) chain =
      disk_image_overlay (edit->disk, edit->backing, &edit->reader, error);
  g_autoptr (SigningKey) key = chain ? site_load_signing_key (config, error) : NULL;
  g_autoptr (NbdSource) source =
      key ? nbd_source_open (chain, PUBLISH_WORKERS, &edit->reader, error) : NULL;
  PublishResult *shared =
      mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  if (shared == MAP_FAILED)
    return fail_errno (error, "publish");
  Publishing publishing = { &edit->options, key, source, getpid (), shared };
  gboolean done = source && site_run_as_store_owner (config, publish_as_owner, &publishing, error);
  *result = *shared;
  munmap (shared, sizeof *shared);
  return done;
}

/* What programs are told where there is no new version, EXTRA and its value saying why.  */
static JsonObject *
no_version (const Edit *edit)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "image", edit->options.image);
  json_object_set_null_member (object, "version");
  json_object_set_int_member (object, "parent", edit->options.edited);
  return object;
}

static void
print_unchanged (const Edit *edit)
{
  g_autoptr (JsonObject) object = no_version (edit);

  json_object_set_boolean_member (object, "unchanged", TRUE);
  if (edit->verb->json)
    json_print_object (object);
  else
    printf ("%s@%u is as it was: there is no new version\n", edit->options.image,
            edit->options.edited);
}

static void
print_failed (const Edit *edit, int status)
{
  g_autoptr (JsonObject) object = no_version (edit);

  json_object_set_int_member (object, "status", status);
  if (edit->verb->json)
    json_print_object (object);
  fprintf (stderr, "gild edit: %s ended with status %d; nothing was published\n", edit->argv[0],
           status);
}

static ExitStatus
run (Edit *edit)
{
  const Verb *verb = edit->verb;
  g_autoptr (GError) error = NULL;
  g_autoptr (ImageVersion) version = begin (edit, &error);
  PublishResult result;
  int status;

  if (!version || !make_copy (edit, version, &error) || !serve_copy (edit, &error)
      || !change (edit, &status, &error))
    return verb_fail (verb, error);
  if (status != 0)
    {
      print_failed (edit, status);
      return (ExitStatus)status;
    }
  gint64 started = g_get_monotonic_time ();
  if (!publish (edit, &result, &error))
    return verb_fail (verb, error);
  if (result.version == 0)
    print_unchanged (edit);
  else
    publish_print (verb, &edit->options, &result,
                   (double)(g_get_monotonic_time () - started) / 1e6);
  return EXIT_DONE;
}

/* IMAGE, and behind it COMMAND, with or without "--" between.  */
static gboolean
read_arguments (Edit *edit, const char *from, const char *timeout, GError **error)
{
  char **rest = edit->verb->argv + 1;

  edit->options.image = edit->verb->argv[0];
  edit->argv = *rest && g_str_equal (*rest, "--") ? rest + 1 : rest;
  if (!edit->argv[0])
    return fail (error, "say which COMMAND changes the disk: gild edit IMAGE -- COMMAND");
  return publish_check (&edit->options, error) && attach_check_partition (edit->partition, error)
         && (!from || version_parse (from, &edit->options.edited, error))
         && (!timeout || duration_parse (timeout, &edit->timeout_seconds, error));
}

ExitStatus
verb_edit (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (Edit) edit = { .verb = &verb, .partition = ATTACH_ONLY_PARTITION };
  g_autofree char *note = NULL, *channel = NULL, *from = NULL, *timeout = NULL;
  g_autofree char *mount_path = NULL, *author = channel_change_author ();
  const GOptionEntry options[] = {
    { "channel", 0, 0, G_OPTION_ARG_STRING, &channel,
      "The channel whose version is edited, and that shall name the new one [production]", "NAME" },
    { "from", 0, 0, G_OPTION_ARG_STRING, &from, "The version that is edited, whatever is named",
      "VERSION" },
    { "note", 0, 0, G_OPTION_ARG_STRING, &note, "Why there is this version", "TEXT" },
    { "timeout", 0, 0, G_OPTION_ARG_STRING, &timeout,
      "How long COMMAND may take, as in 30m; it is ended then", "TIME" },
    { "mount", 0, 0, G_OPTION_ARG_FILENAME, &mount_path,
      "Mount the copy's file system at DIRECTORY, where COMMAND alone sees it", "DIRECTORY" },
    { "partition", 0, 0, G_OPTION_ARG_INT, &edit.partition,
      "Which partition of the disk to mount; 0: all of it", "N" },
    { "force", 0, 0, G_OPTION_ARG_NONE, &edit.options.force,
      "Publish though the version that was edited is in production no more", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE -- COMMAND [ARGUMENT...]",
          "Run COMMAND on a private copy of IMAGE, which it finds by $GILD_DISK and $GILD_NBD. If it exits with\n"
          "status 0, what it has changed becomes the next version; otherwise nothing is published.",
          1, G_MAXINT, &status))
    return status;
  edit.options.channel = channel ? channel : CHANNEL_DEFAULT;
  edit.options.note = note ? note : "";
  edit.options.by = author;
  edit.mount_path = mount_path;
  if (!read_arguments (&edit, from, timeout, &error))
    return verb_usage (&verb, error);
  return run (&edit);
}
