// SPDX-License-Identifier: GPL-2.0-or-later
// Exporting: a version becomes a qcow2 file again.
//
// qemu-img converts what an nbdkit of our own serves, so an export is what a guest would have read.

#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <unistd.h>

#include "fail.h"
#include "nbd-child.h"
#include "overlay.h"
#include "site.h"

/* nbdkit for CONFIG's store.  */
static NbdChild *
start_server (const Config *config, GError **error)
{
  g_autofree char *state = g_strconcat ("state=", config->state_dir, NULL);
  const char *plugin = g_getenv ("GILD_NBDKIT_PLUGIN");
  const char *argv[] = { NBDKIT_PROGRAM,
                         "--foreground",
                         "--readonly",
                         "--exit-with-parent",
                         plugin ? plugin : NBDKIT_PLUGIN,
                         state,
                         NULL };
  ChildIdentity identity;

  if (!site_owner_identity (config, &identity, error))
    return NULL;
  return nbd_child_start ((char **)argv, &identity, error);
}

/* Run qemu-img convert from URI to PATH; its progress, where somebody looks, on stderr.  */
static gboolean
convert (NbdChild *server, const char *uri, const char *path, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE);
  const char *argv[] = { QEMU_IMG, "convert", isatty (STDERR_FILENO) ? "-p" : "-q",
                         "-f",     "raw",     "-O",
                         "qcow2",  "--",      uri,
                         path,     NULL };
  g_autofree char *said = NULL;

  g_subprocess_launcher_take_stdout_fd (launcher, fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawnv (launcher, argv, error);
  if (!process || !g_subprocess_communicate_utf8 (process, NULL, NULL, NULL, &said, error))
    return FALSE;
  if (g_subprocess_get_successful (process))
    return TRUE;
  g_autofree char *what = g_strdup_printf ("export to %s: %s", path, g_strchomp (said));
  return nbd_child_fail (server, what, error);
}

static gboolean
sync_path (const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  gboolean ok = fd >= 0 && fsync (fd) == 0;

  if (fd >= 0)
    close (fd);
  return ok;
}

gboolean
export_run (const Config *config, const char *image, guint version, const char *path,
            gboolean overwrite, GError **error)
{
  g_autofree char *temporary = g_strdup_printf ("%s.XXXXXX", path);
  g_autofree char *directory = g_path_get_dirname (path);

  if (!overwrite && g_file_test (path, G_FILE_TEST_EXISTS))
    return fail (error, "%s exists; say --force to replace it", path);
  g_autoptr (NbdChild) server = start_server (config, error);
  if (!server)
    return FALSE;
  int fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail_errno (error, "make %s", path);
  close (fd);

  g_autofree char *uri = overlay_backing_uri (image, version, nbd_child_socket (server));
  gboolean ok = convert (server, uri, temporary, error);
  if (ok && (!sync_path (temporary) || rename (temporary, path) < 0 || !sync_path (directory)))
    ok = fail_errno (error, "write %s", path);
  if (!ok)
    unlink (temporary);
  return ok;
}
