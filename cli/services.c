// SPDX-License-Identifier: GPL-2.0-or-later
// Starting gild's services, by systemd where it runs.

#include "gild.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/control-client.h"
#include "qcow-backing/fail.h"

#define TIMEOUT_SECONDS 5

/* Whether gildd answers.  */
static gboolean
answers (const Verb *verb)
{
  g_autofree char *socket = config_run_path (verb->config, "gildd.sock", NULL);
  g_autoptr (JsonNode) answer =
      control_call (socket, "GET", "/status", NULL, TIMEOUT_SECONDS, NULL);

  return answer != NULL;
}

gboolean
services_start (const Verb *verb, gboolean *run, GError **error)
{
  const char *argv[] = { "systemctl", "enable", "--now", "gild-nbd.socket", "gildd.service", NULL };
  int status;

  *run = answers (verb);
  if (*run)
    return TRUE;
  // The units are for the installed configuration, and root's to start.
  if (geteuid () != 0 || !verb->is_config_installed
      || !g_file_test ("/run/systemd/system", G_FILE_TEST_IS_DIR))
    {
      fprintf (stderr, "gildd does not run yet: start it with `gild-services start`\n");
      return TRUE;
    }
  if (!g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                     &status, error))
    return FALSE;
  *run = g_spawn_check_wait_status (status, NULL);
  return *run
         || fail (
             error,
             "this host has joined, but systemd has not started gildd: see `journalctl -u gildd`");
}
