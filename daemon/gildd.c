// SPDX-License-Identifier: GPL-2.0-or-later
// gildd: says what this host's desktops boot, and keeps what they have booted.
//
// Its main thread waits in a GLib main loop for requests on the control socket (control-routes.h),
// a second one follows the running desktops (desktop-watch.h), and where this host belongs to a
// site others speak to the hosts of that (site-network.h).  Nothing is kept in memory that a new
// gildd could not find out: the site, the images and the pins are files, so what `gild init` and
// `gild publish` make is there at once, and a gildd that is killed has lost nothing.

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib-unix.h>

#include "control-routes.h"
#include "desktops.h"
#include "qcow-backing/fail.h"
#include "service-notify.h"

#define EXIT_USAGE 2

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

/* Take part in the site, as soon as this host belongs to one.  */
static gboolean
enter_site (gpointer data)
{
  Daemon *daemon = data;
  g_autoptr (GError) error = NULL;

  daemon->network = site_network_start (daemon->config, daemon->outbox, &error);
  if (daemon->network)
    {
      g_clear_pointer (&daemon->network_trouble, g_free);
      chunk_requests_set_fetcher (daemon->chunk_requests, site_network_fetcher (daemon->network));
      return G_SOURCE_REMOVE;
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return G_SOURCE_CONTINUE;
  if (g_strcmp0 (daemon->network_trouble, error->message) != 0)
    g_message ("the other hosts cannot be spoken to: %s", error->message);
  g_free (daemon->network_trouble);
  daemon->network_trouble = g_strdup (error->message);
  return G_SOURCE_CONTINUE;
}

static void
enter_site_some_time (Daemon *daemon, GMainContext *context)
{
  if (enter_site (daemon) == G_SOURCE_REMOVE)
    return;
  g_autoptr (GSource) source = g_timeout_source_new_seconds (1);
  g_source_set_callback (source, enter_site, daemon, NULL);
  g_source_attach (source, context);
}

static void
leave (Daemon *daemon)
{
  chunk_requests_set_fetcher (daemon->chunk_requests, NULL);
  g_clear_pointer (&daemon->network, site_network_stop);
  g_clear_pointer (&daemon->damage_check, damage_check_free);
  g_clear_pointer (&daemon->chunk_requests, chunk_requests_free);
  g_clear_pointer (&daemon->profile_keeper, profile_keeper_free);
  g_clear_pointer (&daemon->outbox, profile_outbox_free);
  g_clear_pointer (&daemon->watch, desktop_watch_stop);
  g_clear_pointer (&daemon->network_trouble, g_free);
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
  Daemon daemon = { .config = config };
  daemon.damage_check = damage_check_new (config);
  daemon.outbox = profile_outbox_new ();
  daemon.profile_keeper = profile_keeper_new (config, daemon.outbox);
  daemon.chunk_requests = chunk_requests_new (config, daemon.damage_check);
  daemon.watch = desktop_watch_start (config, error);
  ControlServer *server =
      daemon.watch ? control_server_new (socket_path, CONTROL_ROUTES, &daemon, context, error)
                   : NULL;
  if (server)
    {
      enter_site_some_time (&daemon, context);
      serve_until_told (context);
    }
  control_server_free (server);
  leave (&daemon);
  return server != NULL;
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
