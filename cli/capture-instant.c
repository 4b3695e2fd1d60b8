// SPDX-License-Identifier: GPL-2.0-or-later
// The instant of a copy: from then on what a running desktop had written does not change any more.
//
// It is a process of its own that freezes, asks gildd for the layer, and thaws.  It belongs to no
// terminal and waits for nothing without a bound, so that it comes to its end, and the guest to
// its, whoever kills gild.

#include "capture-instant.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "daemon/control-client.h"
#include "daemon/libvirt-connection.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/spill-directory.h"

#define AGENT_SECONDS        5  // that it may take for an answer
#define LAYER_SECONDS        40 // longer than libvirt waits for whoever else changes the domain
#define FROZEN_LAYER_SECONDS 10
#define THAW_SECONDS         60
#define THAW_AGAIN_US        (200 * 1000)

/* What the process says at its end.  */
typedef struct
{
  gboolean is_done;
  CaptureInstant instant;
  char error[2048];
} Outcome;

static gboolean
ask_for_layer (const Config *config, const char *name, guint timeout_seconds, guint *layers,
               GError **error)
{
  g_autofree char *socket = config_run_path (config, "gildd.sock", NULL);
  g_autofree char *path = g_strdup_printf ("/desktops/%s/layer", name);
  g_autoptr (JsonNode) answer = control_call (socket, "POST", path, NULL, timeout_seconds, error);
  guint64 number;

  if (!answer
      || !json_read_uint (json_node_get_object (answer), "layers", 0, SPILL_LAYERS_MAX, &number,
                          error))
    return FALSE;
  *layers = (guint)number;
  return TRUE;
}

/* FALSE with the reason in INSTANT.  */
static gboolean
freeze (virDomainPtr domain, CaptureInstant *instant)
{
  int state = VIR_DOMAIN_NOSTATE;
  g_autoptr (GError) cause = NULL;

  if (virDomainGetState (domain, &state, NULL, 0) == 0 && state != VIR_DOMAIN_RUNNING)
    fail (&cause, "it is paused");
  else if (virDomainAgentSetResponseTimeout (domain, AGENT_SECONDS, 0) >= 0
           && virDomainFSFreeze (domain, NULL, 0, 0) >= 0)
    return TRUE;
  else
    libvirt_fail (&cause, "its guest agent does not freeze them");
  g_strlcpy (instant->unfrozen_because, cause->message, sizeof instant->unfrozen_because);
  return FALSE;
}

/* Also of one whose freezing failed, since an agent that is slow may do it later.  */
static gboolean
thaw (virDomainPtr domain, GError **error)
{
  gint64 end = g_get_monotonic_time () + THAW_SECONDS * G_TIME_SPAN_SECOND;

  while (virDomainFSThaw (domain, NULL, 0, 0) < 0)
    {
      if (virDomainIsActive (domain) != 1)
        break;
      if (g_get_monotonic_time () > end)
        return libvirt_fail (error, "thaw the file systems");
      g_usleep (THAW_AGAIN_US);
    }
  virDomainAgentSetResponseTimeout (domain, VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0);
  return TRUE;
}

static gboolean
take (const Config *config, virDomainPtr domain, CaptureInstant *instant, GError **error)
{
  const char *name = virDomainGetName (domain);
  g_autoptr (GError) thaw_error = NULL;
  gint64 started = g_get_monotonic_time ();

  instant->is_frozen = freeze (domain, instant);
  if (!instant->is_frozen)
    {
      virDomainFSThaw (domain, NULL, 0, 0);
      return ask_for_layer (config, name, LAYER_SECONDS, &instant->layers, error);
    }
  gboolean done = ask_for_layer (config, name, FROZEN_LAYER_SECONDS, &instant->layers, error);
  gboolean is_thawed = thaw (domain, done ? &thaw_error : NULL);
  instant->frozen_ms = (guint)((g_get_monotonic_time () - started) / 1000);
  return done
         && (is_thawed
             || fail (
                 error,
                 "%s: its file systems are frozen: see its guest agent, and `virsh domfsthaw %s`: %s",
                 name, name, thaw_error->message));
}

static gboolean
connect_and_take (const Config *config, const char *name, CaptureInstant *instant, GError **error)
{
  g_autoptr (virConnect) connection = libvirt_connect (error);
  virDomainPtr domain = connection ? virDomainLookupByName (connection, name) : NULL;

  if (!domain)
    return connection && libvirt_fail (error, name);
  gboolean done = take (config, domain, instant, error);
  virDomainFree (domain);
  return done;
}

/* The child process.  */
G_NORETURN static void
become_taker (const Config *config, const char *name, int fd)
{
  g_autoptr (GError) error = NULL;
  Outcome outcome = { .is_done = FALSE };

  setsid ();
  signal (SIGPIPE, SIG_IGN);
  outcome.is_done = connect_and_take (config, name, &outcome.instant, &error);
  if (error)
    g_strlcpy (outcome.error, error->message, sizeof outcome.error);
  _exit (write (fd, &outcome, sizeof outcome) == sizeof outcome ? 0 : 1);
}

static gboolean
wait_for_outcome (pid_t pid, int fd, Outcome *outcome)
{
  gssize n;

  while ((n = read (fd, outcome, sizeof *outcome)) < 0 && errno == EINTR)
    continue;
  while (waitpid (pid, NULL, 0) < 0 && errno == EINTR)
    continue;
  return n == sizeof *outcome;
}

gboolean
capture_instant_take (const Config *config, const char *name, CaptureInstant *instant,
                      GError **error)
{
  Outcome outcome;
  int fds[2];

  if (!g_unix_open_pipe (fds, FD_CLOEXEC, error))
    return FALSE;
  pid_t pid = fork ();
  if (pid == 0)
    become_taker (config, name, fds[1]);
  close (fds[1]);
  gboolean is_heard = pid > 0 && wait_for_outcome (pid, fds[0], &outcome);
  close (fds[0]);
  if (pid < 0)
    return fail_errno (error, "start a process");
  if (!is_heard)
    return fail (error, "%s: whoever froze its file systems was killed: see `virsh domfsthaw %s`",
                 name, name);
  if (!outcome.is_done)
    return fail (error, "%s", outcome.error);
  *instant = outcome.instant;
  return TRUE;
}
