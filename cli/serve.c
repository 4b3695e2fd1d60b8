// SPDX-License-Identifier: GPL-2.0-or-later
// gild serve: the versions of this host over NBD with TLS, for a QEMU that knows nothing of gild.
//
// nbdkit does the work.  It gets its certificates by the names that it wants, as links in
// RUN/serve, and reads them when it starts: so it is started anew when a host is removed from the
// site, which ends the connections that there are.

#include "gild.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib-unix.h>

#include "network/host-identity.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/site.h"

#define PORT_DEFAULT         10809 // nbds://
#define FILES_MAX            1024u // that nbdkit may have open: a bound to its clients
#define LOOK_SECONDS         1
#define RESTART_MILLISECONDS 200
#define DIRECTORY            "serve"
#define PRIORITIES_FILE      "gnutls.conf"

/* nbdkit's own priorities would let old TLS in.  */
#define PRIORITIES                                                                                 \
  "[overrides]\n"                                                                                  \
  "disabled-version = ssl3.0\n"                                                                    \
  "disabled-version = tls1.0\n"                                                                    \
  "disabled-version = tls1.1\n"

typedef struct
{
  const Verb *verb;
  HostIdentity *identity;
  char *address, *port;
  char *directory; // RUN/serve
  GMainLoop *loop;
  GSubprocess *nbdkit;
  struct timespec crl_changed; // of the list that nbdkit knows; 0: none
  GError *error;
} Serve;

static void
serve_clear (Serve *serve)
{
  host_identity_free (serve->identity);
  g_free (serve->address);
  g_free (serve->port);
  g_free (serve->directory);
  g_clear_object (&serve->nbdkit);
  g_clear_pointer (&serve->loop, g_main_loop_unref);
  g_clear_error (&serve->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Serve, serve_clear)

/* "192.0.2.1", "192.0.2.1:10809", "2001:db8::1" or "[2001:db8::1]:10809".  */
static gboolean
parse_address (Serve *serve, const char *text, GError **error)
{
  const char *colon = strrchr (text, ':');
  gboolean bracketed = text[0] == '[',
           plain_v6 = !bracketed && colon && strchr (text, ':') != colon;
  const char *port = colon && !plain_v6 && !(bracketed && colon[-1] != ']') ? colon + 1 : NULL;
  g_autofree char *host = port ? g_strndup (text, (gsize)(colon - text)) : g_strdup (text);
  guint64 number = PORT_DEFAULT;

  if (bracketed && g_str_has_suffix (host, "]"))
    serve->address = g_strndup (host + 1, strlen (host) - 2);
  else
    serve->address = g_strdup (host);
  if (!g_hostname_is_ip_address (serve->address)
      || (port && !g_ascii_string_to_unsigned (port, 10, 1, G_MAXUINT16, &number, NULL)))
    return fail (
        error,
        "--nbd: '%.100s' is not an address: write it as in 192.0.2.1, 192.0.2.1:%u or [::]:%u",
        text, PORT_DEFAULT, PORT_DEFAULT);
  serve->port = g_strdup_printf ("%u", (guint)number);
  return TRUE;
}

/* Make RUN/serve/NAME a link to TARGET, whatever it was.  */
static gboolean
make_link (const Serve *serve, const char *name, const char *target, GError **error)
{
  g_autofree char *path = g_build_filename (serve->directory, name, NULL);
  g_autofree char *there = g_file_read_link (path, NULL);

  if (g_strcmp0 (there, target) == 0)
    return TRUE;
  return ((unlink (path) == 0 || errno == ENOENT) && symlink (target, path) == 0)
         || fail_errno (error, "cannot make %s", path);
}

static gboolean
make_directory (const Serve *serve, GError **error)
{
  g_autofree char *priorities = g_build_filename (serve->directory, PRIORITIES_FILE, NULL);

  if (g_mkdir_with_parents (serve->directory, 0755) < 0)
    return fail_errno (error, "cannot make %s", serve->directory);
  return make_link (serve, "ca-cert.pem", serve->identity->ca_path, error)
         && make_link (serve, "ca-crl.pem", serve->identity->crl_path, error)
         && make_link (serve, "server-cert.pem", serve->identity->certificate_path, error)
         && make_link (serve, "server-key.pem", serve->identity->key_path, error)
         && file_write_durably (priorities, PRIORITIES, strlen (PRIORITIES), 0644, error);
}

/* In the child, before it is nbdkit.  */
static void
bound_child (gpointer parent)
{
  const struct rlimit files = { FILES_MAX, FILES_MAX };

  setrlimit (RLIMIT_NOFILE, &files);
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != GPOINTER_TO_INT (parent))
    _exit (127);
}

static struct timespec
crl_changed (const Serve *serve)
{
  struct stat status;

  return stat (serve->identity->crl_path, &status) == 0 ? status.st_mtim : (struct timespec){ 0 };
}

static char **
build_argv (const Serve *serve)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  g_autofree char *certificates = g_strconcat ("--tls-certificates=", serve->directory, NULL);
  const char *plugin = g_getenv ("GILD_NBDKIT_PLUGIN");

  g_strv_builder_add_many (argv, NBDKIT_PROGRAM, "--foreground", "--readonly", "--tls=require",
                           "--tls-verify-peer", certificates, "--ipaddr", serve->address, "--port",
                           serve->port, plugin ? plugin : NBDKIT_PLUGIN, "public=yes", NULL);
  if (serve->verb->config_path)
    {
      g_autofree char *config = g_strconcat ("config=", serve->verb->config_path, NULL);
      g_strv_builder_add (argv, config);
    }
  return g_strv_builder_end (argv);
}

static gboolean start (gpointer data);

/* nbdkit has ended: of itself, or to be started anew.  */
static void
on_end (GObject *source, GAsyncResult *result, gpointer data)
{
  Serve *serve = data;

  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  if (g_subprocess_get_if_signaled (serve->nbdkit))
    {
      g_timeout_add (RESTART_MILLISECONDS, start, serve);
      return;
    }
  fail (&serve->error, "nbdkit has ended; above stands what it said");
  g_main_loop_quit (serve->loop);
}

static gboolean
start (gpointer data)
{
  Serve *serve = data;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autofree char *priorities = g_build_filename (serve->directory, PRIORITIES_FILE, NULL);
  g_auto (GStrv) argv = build_argv (serve);

  g_subprocess_launcher_setenv (launcher, "GNUTLS_SYSTEM_PRIORITY_FILE", priorities, TRUE);
  g_subprocess_launcher_setenv (launcher, "GNUTLS_SYSTEM_PRIORITY_FAIL_ON_INVALID", "1", TRUE);
  g_subprocess_launcher_set_child_setup (launcher, bound_child, GINT_TO_POINTER (getpid ()), NULL);
  serve->crl_changed = crl_changed (serve);
  g_clear_object (&serve->nbdkit);
  serve->nbdkit = g_subprocess_launcher_spawnv (launcher, (const char *const *)argv, &serve->error);
  if (serve->nbdkit)
    g_subprocess_wait_async (serve->nbdkit, NULL, on_end, serve);
  else
    g_main_loop_quit (serve->loop);
  return G_SOURCE_REMOVE;
}

/* Whether hosts were removed since nbdkit was started.  */
static gboolean
look (gpointer data)
{
  Serve *serve = data;
  const struct timespec now = crl_changed (serve);

  if (serve->nbdkit
      && (now.tv_sec != serve->crl_changed.tv_sec || now.tv_nsec != serve->crl_changed.tv_nsec))
    {
      g_message ("hosts were removed from the site: all connections are made anew");
      serve->crl_changed = now;
      g_subprocess_force_exit (serve->nbdkit); // it would wait for its clients
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
run (Serve *serve, GError **error)
{
  serve->identity = host_identity_load (serve->verb->config, error);
  if (!serve->identity || !site_become_store_owner (serve->verb->config, error)
      || !make_directory (serve, error))
    return FALSE;
  serve->loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, on_signal, serve->loop);
  g_unix_signal_add (SIGINT, on_signal, serve->loop);
  g_timeout_add_seconds (LOOK_SECONDS, look, serve);
  start (serve);
  if (!serve->error)
    g_main_loop_run (serve->loop);
  if (serve->nbdkit)
    g_subprocess_force_exit (serve->nbdkit);
  if (!serve->error)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&serve->error));
  return FALSE;
}

ExitStatus
verb_serve (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (Serve) serve = { 0 };
  g_autofree char *address = NULL;
  const GOptionEntry options[] = {
    { "nbd", 0, 0, G_OPTION_ARG_STRING, &address, "Where to listen, as in 192.0.2.1 or [::]:10809",
      "ADDRESS" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "",
          "Serve the versions of this host over NBD with TLS, until told to end, to who has a certificate of the\n"
          "site: a QEMU that knows nothing of gild. Images of departments that are not for everybody are left out.",
          0, 0, &status))
    return status;
  if (!address)
    fail (&error, "--nbd is missing: write where to listen, as in --nbd 192.0.2.1");
  if (error || !parse_address (&serve, address, &error))
    return verb_usage (&verb, error);
  serve.verb = &verb;
  serve.directory = config_run_path (verb.config, DIRECTORY, NULL);
  return run (&serve, &error) ? EXIT_DONE : verb_fail (&verb, error);
}
