// SPDX-License-Identifier: GPL-2.0-or-later
// gildd: says what this host's desktops boot, and keeps what they have booted.
//
// Its main thread waits in a GLib main loop for requests on the control socket, a second one
// follows the running desktops (desktop-watch.h).  Nothing is kept in memory that a new gildd could
// not find out: the site, the images and the pins are files, so what `gild init` and `gild publish`
// make is there at once, and a gildd that is killed has lost nothing.

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib-unix.h>

#include "chunk-requests.h"
#include "control-server.h"
#include "damage-check.h"
#include "desktop-watch.h"
#include "desktops.h"
#include "profile-keeper.h"
#include "network/admission.h"
#include "qcow-backing/config.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-library.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/pins.h"
#include "qcow-backing/site.h"
#include "service-notify.h"

#define EXIT_USAGE 2

/* What the requests are answered from.  */
typedef struct
{
  const Config *config;
  DesktopWatch *watch;
  DamageCheck *damage_check;
  ChunkRequests *chunk_requests;
  ProfileKeeper *profile_keeper;
} Daemon;

static gboolean
count_images (const Config *config, guint *count, GError **error)
{
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  g_autoptr (GPtrArray) images = library ? image_library_images (library, error) : NULL;

  *count = images ? images->len : 0;
  return images != NULL;
}

static JsonObject *
get_status (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;
  const Config *config = daemon->config;
  g_autofree char *trouble = desktop_watch_trouble (daemon->watch);
  g_autoptr (GError) no_site = NULL;
  g_autoptr (Site) site = site_load (config, &no_site);
  g_autoptr (GPtrArray) desktops = pins_names (config, error);
  guint n_images = 0, n_damaged = 0;

  if (!desktops || (site && !count_images (config, &n_images, error))
      || !damage_check_count (config, &n_damaged, error))
    return NULL;
  if (!site && !g_error_matches (no_site, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&no_site));
      return NULL;
    }
  JsonObject *status = json_object_new ();
  json_object_set_string_member (status, "version", PACKAGE_VERSION);
  if (site)
    json_object_set_string_member (status, "site", site->name);
  else
    json_object_set_null_member (status, "site");
  json_object_set_string_member (status, "state", config->state_dir);
  json_object_set_string_member (status, "run", config->run_dir);
  if (trouble)
    json_object_set_string_member (status, "libvirt", trouble);
  else
    json_object_set_null_member (status, "libvirt");
  json_object_set_int_member (status, "desktops", desktops->len);
  json_object_set_int_member (status, "images", n_images);
  json_object_set_int_member (status, "damaged", n_damaged);
  return status;
}

static JsonObject *
get_desktops (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;
  JsonArray *pins = desktops_list (daemon->config, error);

  if (!pins)
    return NULL;
  for (guint i = 0; i < json_array_get_length (pins); i++)
    {
      JsonObject *pin = json_array_get_object_element (pins, i);
      desktop_watch_describe (daemon->watch, json_object_get_string_member (pin, "name"), pin);
    }
  JsonObject *answer = json_object_new ();
  json_object_set_array_member (answer, "desktops", pins);
  return answer;
}

/* The images of the answer to a prepare, for the log: "vda demo/desktop@7, vdb demo/erp@2".  */
static char *
describe_disks (JsonObject *answer)
{
  JsonArray *disks = json_object_get_array_member (answer, "disks");
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (disks); i++)
    {
      JsonObject *disk = json_array_get_object_element (disks, i);
      g_string_append_printf (text, "%s%s %s@%d", i > 0 ? ", " : "",
                              json_object_get_string_member (disk, "target"),
                              json_object_get_string_member (disk, "image"),
                              (int)json_object_get_int_member (disk, "version"));
    }
  return g_string_free (text, FALSE);
}

/* The versions of PIN are about to be read.  */
static void
expect_boot (const Daemon *daemon, JsonObject *pin)
{
  JsonArray *disks = json_object_get_array_member (pin, "disks");

  for (guint i = 0; i < json_array_get_length (disks); i++)
    {
      JsonObject *disk = json_array_get_object_element (disks, i);
      profile_keeper_expect (daemon->profile_keeper, json_object_get_string_member (disk, "image"),
                             (guint)json_object_get_int_member (disk, "version"));
    }
}

static JsonObject *
post_prepare (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;
  JsonObject *answer = desktops_prepare (daemon->config, name, body, error);

  if (answer)
    {
      g_autofree char *disks = describe_disks (answer);
      g_message ("%s boots %s", name, disks);
      expect_boot (daemon, answer);
    }
  return answer;
}

static JsonObject *
delete_desktop (gpointer data, const char *name, JsonObject *body, GError **error)
{
  if (!desktops_release (((Daemon *)data)->config, name, error))
    return NULL;
  g_message ("%s is released", name);
  return json_object_new ();
}

static JsonObject *
post_spill (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;

  if (!desktops_set_spill (daemon->config, name, body, error))
    return NULL;
  desktop_watch_poke (daemon->watch, name);
  return json_object_new ();
}

static JsonObject *
post_damaged (gpointer data, const char *name, JsonObject *body, GError **error)
{
  ChunkId id;

  if (!damage_check_parse (name, body, &id, error)
      || !damage_check_add (((Daemon *)data)->damage_check, &id, error))
    return NULL;
  return json_object_new ();
}

static JsonObject *
post_profile (gpointer data, const char *name, JsonObject *body, GError **error)
{
  return profile_keeper_take (((Daemon *)data)->profile_keeper, name, body, error);
}

static JsonObject *
post_invitation (gpointer data, const char *name, JsonObject *body, GError **error)
{
  guint64 seconds;

  if (!body)
    {
      fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "the request has no body");
      return NULL;
    }
  if (!json_read_uint (body, "seconds", 1, ADMISSION_SECONDS_MAX, &seconds, error))
    {
      (*error)->code = G_IO_ERROR_INVALID_ARGUMENT;
      return NULL;
    }
  return admission_invite (((Daemon *)data)->config, (guint)seconds, error);
}

static JsonObject *
delete_host (gpointer data, const char *name, JsonObject *body, GError **error)
{
  return admission_remove (((Daemon *)data)->config, name, error) ? json_object_new () : NULL;
}

static void
post_fetch (gpointer data, const char *name, JsonObject *body, ControlReply *reply)
{
  chunk_requests_start (((Daemon *)data)->chunk_requests, name, body, reply);
}

static const ControlRoute ROUTES[] = {
  { "GET", "/status", get_status },
  { "GET", "/desktops", get_desktops },
  { "POST", "/desktops/*/prepare", post_prepare },
  { "POST", "/desktops/*/spill", post_spill },
  { "DELETE", "/desktops/*", delete_desktop },
  { "POST", "/chunks/*/damaged", post_damaged },
  { "POST", "/chunks/*/fetch", NULL, post_fetch },
  { "POST", "/images/*/*/*/profile", post_profile },
  { "POST", "/invitations", post_invitation },
  { "DELETE", "/hosts/*", delete_host },
  { NULL },
};

static void
log_line (const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
  if ((level & (G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG)) == 0 || g_getenv ("G_MESSAGES_DEBUG"))
    g_printerr ("gildd: %s\n", message);
}

static gboolean
parse_options (int *argc, char ***argv, char **config_path, gboolean *version, GError **error)
{
  const GOptionEntry entries[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, config_path,
      "Read FILE instead of the installed configuration", "FILE" },
    { "version", 0, 0, G_OPTION_ARG_NONE, version, "Print the version and end", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (
      context, "The daemon of gild: tells libvirt's hook what each desktop boots. See gildd(8).");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  return *argc == 1 || fail (error, "%s: gildd takes options only; see gildd --help", (*argv)[1]);
}

static gboolean
refuse_root (GError **error)
{
  return (getuid () != 0 && geteuid () != 0)
         || fail (
             error,
             "gildd is not for root: run it as user gild, with `systemctl start gildd` or `gild-services start`");
}

static gboolean
make_directories (const Config *config, GError **error)
{
  g_autofree char *desktops = config_run_path (config, "desktops", NULL);

  return g_mkdir_with_parents (desktops, 0755) == 0
         || fail_errno (
             error,
             "cannot make %s (`systemd-tmpfiles --create` or `gild-services start` makes it)",
             desktops);
}

/* Make sure that this is the only gildd of its run directory, for as long as it lives.  */
static gboolean
lock_run_directory (const Config *config, GError **error)
{
  g_autofree char *path = config_run_path (config, "gildd.lock", NULL);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

  if (fd < 0)
    return fail_errno (error, "cannot open %s", path);
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    return TRUE; // fd stays open until the process ends, and the lock with it
  fail (error, "another gildd runs on %s already", config->run_dir);
  close (fd);
  return FALSE;
}

static gboolean
end_loop (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

static void
end_at_signal (GMainLoop *loop, int number)
{
  g_autoptr (GSource) source = g_unix_signal_source_new (number);

  g_source_set_callback (source, end_loop, loop, NULL);
  g_source_attach (source, g_main_loop_get_context (loop));
}

static void
serve_until_told (GMainContext *context)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (context, FALSE);

  end_at_signal (loop, SIGTERM);
  end_at_signal (loop, SIGINT);
  service_notify ("READY=1");
  g_main_loop_run (loop);
  service_notify ("STOPPING=1");
}

static gboolean
run (const char *config_path, GError **error)
{
  g_autoptr (Config) config = config_load (config_path, error);

  if (!config || !make_directories (config, error) || !lock_run_directory (config, error)
      || !desktops_drop_stale (config, error))
    return FALSE;
  g_autofree char *socket_path = config_run_path (config, "gildd.sock", NULL);
  g_autoptr (GMainContext) context = g_main_context_new (); // libvirt has the default one
  g_autoptr (DamageCheck) damage_check = damage_check_new (config);
  g_autoptr (ProfileOutbox) outbox = profile_outbox_new ();
  g_autoptr (ProfileKeeper) profile_keeper = profile_keeper_new (config, outbox);
  g_autoptr (DesktopWatch) watch = desktop_watch_start (config, error);
  g_autoptr (ChunkRequests) chunk_requests = chunk_requests_new (config);
  Daemon daemon = { config, watch, damage_check, chunk_requests, profile_keeper };
  g_autoptr (ControlServer) server =
      watch ? control_server_new (socket_path, ROUTES, &daemon, context, error) : NULL;
  if (!server)
    return FALSE;
  serve_until_told (context);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autofree char *config_path = NULL;
  g_autoptr (GError) error = NULL;
  gboolean version = FALSE;

  setlocale (LC_ALL, "");
  signal (SIGPIPE, SIG_IGN);
  umask (0022);
  g_log_set_default_handler (log_line, NULL);
  if (!parse_options (&argc, &argv, &config_path, &version, &error))
    {
      g_printerr ("gildd: %s\n", error->message);
      return EXIT_USAGE;
    }
  if (version)
    {
      g_print ("gildd %s\n", PACKAGE_VERSION);
      return EXIT_SUCCESS;
    }
  if (refuse_root (&error) && run (config_path, &error))
    return EXIT_SUCCESS;
  g_printerr ("gildd: %s\n", error->message);
  return EXIT_FAILURE;
}
