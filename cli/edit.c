// SPDX-License-Identifier: GPL-2.0-or-later
// gild edit: change a private copy of an image, and publish what has changed.
//
// Root all the time, but for what handles the copy's bytes: who serves it is the store's owner, who
// checks and reads it is nobody special (site_reader_identity), and who publishes it is a child
// process that is the store's owner.  The version that is edited stays, since its index is open.

#include "gild.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/nbd-check.h"
#include "edit-command.h"
#include "edit-mount.h"
#include "edit-publish.h"
#include "edit-question.h"
#include "edit-report.h"
#include "edit-signals.h"
#include "edit-vm.h"
#include "qcow-backing/channel-change.h"
#include "qcow-backing/duration.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/overlay.h"
#include "qcow-backing/publish.h"
#include "qcow-backing/site.h"

#define SOCKET "nbd.sock"

/* What is asked for, and then what there is.  */
typedef struct
{
  const Verb *verb;
  PublishOptions options;
  char **argv;            // COMMAND, or the shell; empty for a VM
  char *shell[2];         // argv where there is --mount and no COMMAND
  const char *mount_path; // --mount
  VmOptions vm;
  gboolean viewer; // --viewer
  int partition;
  gboolean yes; // --yes
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
  vm_options_clear (&edit->vm);
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
      || !nbd_await (edit->nbd_socket, error))
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
  edit->disk = g_build_filename (edit_directory_path (edit->directory), EDIT_DIRECTORY_DISK, NULL);
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

static gboolean
is_shell (const Edit *edit)
{
  return edit->argv == edit->shell;
}

static gboolean
is_vm (const Edit *edit)
{
  return !edit->argv[0];
}

/* Whether somebody types what the shell does, or it reads a script.  */
static gboolean
is_by_hand (const Edit *edit)
{
  return is_shell (edit) && isatty (STDIN_FILENO);
}

static gboolean
start_and_wait (const Edit *edit, const EditCommand *command, int *how, GError **error)
{
  if (!mount_copy (edit, error))
    return FALSE;
  if (is_by_hand (edit))
    fprintf (stderr, "%s@%u is at %s, to be changed in this shell; leave it with \"exit\"\n",
             edit->options.image, edit->options.edited, edit->mount_path);
  return edit_command_run (command, how, error);
}

/* What a shell ends with is only what somebody did last in it, unless it was killed.  */
static int
status_that_counts (const Edit *edit, int how)
{
  return is_by_hand (edit) && !WIFSIGNALED (how) ? 0 : edit_command_status (how);
}

static gboolean
change_in_vm (const Edit *edit, GError **error)
{
  const EditVm vm = { .config = edit->verb->config,
                      .directory = edit->directory,
                      .image = edit->options.image,
                      .version = edit->options.edited,
                      .options = &edit->vm,
                      .viewer = edit->viewer,
                      .timeout_seconds = edit->timeout_seconds };

  return edit_vm_run (&vm, error);
}

/* Run COMMAND, and have all that it has written in the copy, and nobody use that, if *STATUS is
   0.  */
static gboolean
change_by_command (Edit *edit, int *status, GError **error)
{
  g_auto (GStrv) environment = make_environment (edit);
  g_autofree char *loop_name = edit_mount_loop_name (edit->disk);
  EditCommand command = { .argv = edit->argv,
                          .environment = environment,
                          .working_directory = is_shell (edit) ? edit->mount_path : NULL,
                          .timeout_seconds = edit->timeout_seconds,
                          .stdout_is_stderr = edit->verb->json,
                          .directory = edit->directory,
                          .nbd = edit->nbd,
                          .disk = EDIT_DIRECTORY_DISK,
                          .loop_name = loop_name };
  int how = 0;

  if (!edit_command_prepare (&command, error))
    return FALSE;
  gboolean ran = start_and_wait (edit, &command, &how, error);
  *status = status_that_counts (edit, how);
  gboolean cleared = edit_command_clear (&command, ran && *status == 0 ? error : NULL);
  close (command.host_mounts);
  return ran && (cleared || *status != 0);
}

/* Have the copy changed, and then used by nobody, unless *STATUS says that COMMAND has failed.  */
static gboolean
change (Edit *edit, int *status, GError **error)
{
  *status = 0;
  if (!edit_signals_catch (error))
    return FALSE;
  return is_vm (edit) ? change_in_vm (edit, error)
                      : serve_copy (edit, error) && change_by_command (edit, status, error);
}

/* Whether somebody has to say that what was changed shall be published; COMMAND does by its
   status.  */
static gboolean
is_to_be_asked (const Edit *edit)
{
  return !edit->yes && (is_shell (edit) || is_vm (edit));
}

/* What can be said before anything is done.  */
static gboolean
check_can_begin (const Edit *edit, GError **error)
{
  if (is_vm (edit) && geteuid () != 0)
    return fail (error, "only root can start a VM from an image: run it with sudo");
  return !is_to_be_asked (edit) || edit_question_check (error);
}

static ExitStatus
publish (const Edit *edit)
{
  const Verb *verb = edit->verb;
  const EditCopy copy = { verb->config, &edit->options, edit->disk, edit->backing, &edit->reader };
  gint64 started = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  PublishResult result;

  if (!edit_publish (&copy, &result, &error))
    return verb_fail (verb, error);
  if (result.version == 0)
    edit_report_unchanged (verb, &edit->options);
  else
    publish_print (verb, &edit->options, &result,
                   (double)(g_get_monotonic_time () - started) / 1e6);
  return EXIT_DONE;
}

static ExitStatus
run (Edit *edit)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ImageVersion) version = check_can_begin (edit, &error) ? begin (edit, &error) : NULL;
  int status;

  if (!version || !make_copy (edit, version, &error) || !change (edit, &status, &error))
    return verb_fail (edit->verb, error);
  if (status != 0)
    {
      edit_report_failed (edit->verb, &edit->options, edit->argv[0], status);
      return (ExitStatus)status;
    }
  if (!is_to_be_asked (edit) || edit_question_ask (edit->options.image))
    return publish (edit);
  edit_report_unwanted (edit->verb, &edit->options);
  return EXIT_FAILED;
}

/* The shell of who runs gild; not for the caller to free.  */
static char *
choose_shell (void)
{
  const char *shell = g_getenv ("SHELL");

  return (char *)(shell && g_path_is_absolute (shell) ? shell : "/bin/sh");
}

static gboolean
has_vm_options (const Edit *edit)
{
  return edit->viewer || edit->vm.template || edit->vm.virt_type || edit->vm.memory;
}

/* IMAGE, and behind it COMMAND, with or without "--" between.  */
static gboolean
read_arguments (Edit *edit, const char *from, const char *timeout, GError **error)
{
  char **rest = edit->verb->argv + 1;

  edit->options.image = edit->verb->argv[0];
  edit->argv = *rest && g_str_equal (*rest, "--") ? rest + 1 : rest;
  if (!edit->argv[0] && edit->mount_path)
    edit->argv = edit->shell;
  if (!is_vm (edit) && has_vm_options (edit))
    return fail (
        error,
        "--viewer, --template, --virt-type and --memory are for the VM that runs where there is neither COMMAND nor --mount: leave them out");
  return publish_check (&edit->options, error) && attach_check_partition (edit->partition, error)
         && vm_options_read (&edit->vm, edit->verb->config, error)
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
      "How long COMMAND, or the VM, may take, as in 30m; it is ended then", "TIME" },
    { "mount", 0, 0, G_OPTION_ARG_FILENAME, &mount_path,
      "Mount the copy's file system at DIRECTORY, where COMMAND, or else a shell, alone sees it",
      "DIRECTORY" },
    { "partition", 0, 0, G_OPTION_ARG_INT, &edit.partition,
      "Which partition of the disk to mount; 0: all of it", "N" },
    { "viewer", 0, 0, G_OPTION_ARG_NONE, &edit.viewer, "Show the VM's screen", NULL },
    VM_OPTIONS_ENTRIES (edit.vm),
    { "yes", 0, 0, G_OPTION_ARG_NONE, &edit.yes,
      "Publish without asking, where there is no COMMAND", NULL },
    { "force", 0, 0, G_OPTION_ARG_NONE, &edit.options.force,
      "Publish though the version that was edited is in production no more", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE [-- COMMAND [ARGUMENT...]]",
          "Run COMMAND on a private copy of IMAGE, which it finds by $GILD_DISK and $GILD_NBD. If it exits with\n"
          "status 0, what it has changed becomes the next version; otherwise nothing is published.\n"
          "Without COMMAND boot the copy in a VM with a screen, or with --mount run a shell in its file system,\n"
          "and ask before publishing.",
          1, G_MAXINT, &status))
    return status;
  edit.options.channel = channel ? channel : CHANNEL_DEFAULT;
  edit.options.note = note ? note : "";
  edit.options.action = CHANNEL_EDIT;
  edit.options.by = author;
  edit.mount_path = mount_path;
  edit.shell[0] = choose_shell ();
  if (!read_arguments (&edit, from, timeout, &error))
    return verb_usage (&verb, error);
  return run (&edit);
}
