// SPDX-License-Identifier: GPL-2.0-or-later
// One check: a VM is started, heard, and judged.
//
// Whatever happens first decides: that the guest is up, that it cannot come up any more, that the
// time is over, or that nothing can be said.  A text on the console that a guest in trouble says
// may end the check early; alone the absence of all of it never passes.

#include "check-run.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>

#include "daemon/console-log.h"
#include "daemon/console-matcher.h"
#include "daemon/guest-agent.h"
#include "daemon/transient-domain.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-write.h"
#include "script-keeper.h"

#define LOGIN_PROMPT      "login:"
#define AGENT_ANSWERS_IN  2 // seconds
#define AGENT_ASKED_EVERY 1 // seconds
#define SCREENSHOT        "screenshot."
#define STATUS_UP         0 // of a script
#define STATUS_NOT_UP     3

/* What guests say whose boot has failed, and what it means.  */
static const struct
{
  const char *text, *meaning;
} TROUBLES[] = {
  { "Kernel panic - not syncing", "its kernel has panicked" },
  { "You are in emergency mode", "systemd has given up and is in emergency mode" },
  { "Give root password for maintenance", "it has given up and asks for root's password" },
  { "the root account is locked", "it has given up and would ask for root's password" },
  { "grub rescue>", "GRUB finds no system" },
};
#define N_SIGNALS 3
#define TEXTS_MAX (1 + G_N_ELEMENTS (TROUBLES))

typedef struct
{
  const CheckPlan *plan;
  TransientDomain *domain;
  ConsoleLog *log;
  ConsoleMatcher *matcher;
  const char *texts[TEXTS_MAX + 1]; // that it looks for: the one of readiness first, if any
  ScriptKeeper *script;
  guint agent_timer; // 0: the agent is not asked
  guint signals[N_SIGNALS];
  gboolean is_over;
  CheckOutcome outcome;
} CheckRun;

void
check_outcome_clear (CheckOutcome *outcome)
{
  g_clear_pointer (&outcome->reason, g_free);
  g_clear_pointer (&outcome->screenshot, g_free);
}

/* The first verdict counts.  */
static void
decide (CheckRun *run, CheckVerdict verdict, const char *reason)
{
  if (run->is_over)
    return;
  run->is_over = TRUE;
  run->outcome.verdict = verdict;
  run->outcome.reason = g_strdup (reason);
}

/* The text on the console that counts, or NULL.  */
static const char *
ready_text (const CheckPlan *plan)
{
  if (plan->ready)
    return plan->ready;
  return plan->agent || plan->script ? NULL : LOGIN_PROMPT;
}

static gboolean
counts_agent (const CheckPlan *plan)
{
  return !plan->script && !plan->ready;
}

static void
on_event (TransientEvent event, gpointer data)
{
  static const struct
  {
    CheckVerdict verdict;
    const char *reason;
  } MEANINGS[] = {
    [TRANSIENT_OFF] = { CHECK_NOT_UP, "it turned itself off before it was up" },
    [TRANSIENT_RESET] = { CHECK_NOT_UP, "it was reset before it was up" },
    [TRANSIENT_PANICKED] = { CHECK_NOT_UP, "its kernel has panicked" },
    [TRANSIENT_DESTROYED] = { CHECK_COULD_NOT, "somebody has destroyed its VM" },
    [TRANSIENT_FAILED] = { CHECK_COULD_NOT,
                           "its QEMU has ended, or libvirt has: libvirt's log says why" },
  };

  decide (data, MEANINGS[event].verdict, MEANINGS[event].reason);
}

static void
on_console (const void *bytes, gsize size, gpointer data)
{
  CheckRun *run = data;
  int found = console_matcher_feed (run->matcher, bytes, size);
  const char *ready = ready_text (run->plan);
  g_autofree char *reason = NULL;

  console_log_add (run->log, bytes, size);
  if (found < 0)
    return;
  if (ready && found == 0)
    {
      reason = g_strdup_printf ("'%s' is on its serial console", ready);
      decide (run, CHECK_UP, reason);
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (TROUBLES); i++)
    if (run->texts[found] == TROUBLES[i].text)
      decide (run, CHECK_NOT_UP, TROUBLES[i].meaning);
}

static gboolean
ask_agent (gpointer data)
{
  CheckRun *run = data;

  if (run->is_over || !guest_agent_answers (transient_domain_get (run->domain), AGENT_ANSWERS_IN))
    return G_SOURCE_CONTINUE;
  decide (run, CHECK_UP, "its guest agent answers");
  return G_SOURCE_CONTINUE;
}

/* Whoever has opened the channel may need a while to answer.  */
static void
on_agent (gpointer data)
{
  CheckRun *run = data;

  if (counts_agent (run->plan) && !run->agent_timer)
    run->agent_timer = g_timeout_add_seconds (AGENT_ASKED_EVERY, ask_agent, run);
}

static void
on_script_ended (int status, gpointer data)
{
  CheckRun *run = data;
  g_autofree char *reason =
      g_strdup_printf ("the script %s ended with status %d", run->plan->script, status);

  decide (run,
          status == STATUS_UP       ? CHECK_UP
          : status == STATUS_NOT_UP ? CHECK_NOT_UP
                                    : CHECK_COULD_NOT,
          reason);
}

static gboolean
on_interrupt (gpointer data)
{
  decide (data, CHECK_COULD_NOT, "interrupted");
  return G_SOURCE_CONTINUE;
}

/* A VM that libvirt has paused had no chance.  */
static gboolean
is_paused (const CheckRun *run)
{
  int state = VIR_DOMAIN_NOSTATE;

  return virDomainGetState (transient_domain_get (run->domain), &state, NULL, 0) == 0
         && state == VIR_DOMAIN_PAUSED;
}

/* What there was not, in the time that there was.  */
static char *
describe_silence (const CheckPlan *plan)
{
  if (plan->script)
    return g_strdup_printf ("the script %s has not ended", plan->script);
  if (plan->ready)
    return g_strdup_printf ("its serial console has not said '%s'", plan->ready);
  return g_strdup_printf ("its guest agent does not answer%s",
                          plan->agent ? "" : ", and its serial console asks for no login");
}

static gboolean
on_timeout (gpointer data)
{
  CheckRun *run = data;
  g_autofree char *silence = describe_silence (run->plan);
  g_autofree char *reason = g_strdup_printf ("after %u s %s", run->plan->timeout_seconds, silence);

  if (is_paused (run))
    decide (run, CHECK_COULD_NOT, "its VM is paused, its overlay full or its disk not to be read");
  else
    decide (run, CHECK_NOT_UP, reason);
  return G_SOURCE_CONTINUE;
}

static void
prepare_matcher (CheckRun *run)
{
  const char *ready = ready_text (run->plan);
  gsize n = 0;

  if (ready)
    run->texts[n++] = ready;
  for (gsize i = 0; i < G_N_ELEMENTS (TROUBLES); i++)
    run->texts[n++] = TROUBLES[i].text;
  run->matcher = console_matcher_new (run->texts);
}

static gboolean
start_script (CheckRun *run, const char *console, GError **error)
{
  const CheckPlan *plan = run->plan;
  g_autofree char *version = g_strdup_printf ("%u", plan->version);
  g_auto (GStrv) environment = g_get_environ ();

  if (!plan->script)
    return TRUE;
  environment = g_environ_setenv (environment, "GILD_DOMAIN", plan->domain, TRUE);
  environment = g_environ_setenv (environment, "GILD_IMAGE", plan->image, TRUE);
  environment = g_environ_setenv (environment, "GILD_VERSION", version, TRUE);
  environment = g_environ_setenv (environment, "GILD_CONSOLE", console, TRUE);
  run->script = script_keeper_start (plan->script, environment, on_script_ended, run, error);
  return run->script != NULL;
}

static void
catch_signals (CheckRun *run)
{
  static const int SIGNALS[N_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

  for (gsize i = 0; i < N_SIGNALS; i++)
    run->signals[i] = g_unix_signal_add (SIGNALS[i], on_interrupt, run);
}

static gboolean
start (CheckRun *run, virConnectPtr connection, const CheckDirectory *directory, GError **error)
{
  static const TransientCalls CALLS = { on_event, on_agent, on_console };
  g_autofree char *console = check_directory_file (directory, CHECK_CONSOLE_FILE);

  catch_signals (run);
  prepare_matcher (run);
  run->log = console_log_open (console, error);
  if (!run->log)
    return FALSE;
  run->domain = transient_domain_start (connection, run->plan->xml, &CALLS, run, error);
  return run->domain && start_script (run, console, error);
}

/* Let libvirt's events come, until there is a verdict.  */
static void
wait_for_verdict (CheckRun *run)
{
  guint timer = g_timeout_add_seconds (run->plan->timeout_seconds, on_timeout, run);

  while (!run->is_over && virEventRunDefaultImpl () == 0)
    continue;
  g_source_remove (timer);
  if (run->agent_timer)
    g_source_remove (run->agent_timer);
}

/* A picture is of use, and not needed: a VM that has turned itself off has none.  */
static void
take_screenshot (CheckRun *run, const CheckDirectory *directory)
{
  const char *type;
  g_autoptr (GBytes) picture = transient_domain_screenshot (run->domain, &type, NULL);
  g_autofree char *name = g_strconcat (SCREENSHOT, type, NULL);
  g_autofree char *path = check_directory_file (directory, name);

  if (picture
      && file_write_durably (path, g_bytes_get_data (picture, NULL), g_bytes_get_size (picture),
                             0600, NULL))
    run->outcome.screenshot = g_steal_pointer (&name);
}

static void
end (CheckRun *run)
{
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < N_SIGNALS; i++)
    g_source_remove (run->signals[i]);
  script_keeper_end (run->script);
  if (run->domain && !transient_domain_end (run->domain, &error))
    g_message ("%s", error->message);
  if (run->log && !console_log_close (run->log, NULL))
    g_message ("not all of what the guest has said could be kept");
  console_matcher_free (run->matcher);
}

CheckOutcome
check_run (const CheckPlan *plan, virConnectPtr connection, const CheckDirectory *directory)
{
  CheckRun run = { .plan = plan };
  g_autoptr (GError) error = NULL;
  gint64 started;

  if (start (&run, connection, directory, &error))
    {
      started = g_get_monotonic_time ();
      wait_for_verdict (&run);
      run.outcome.seconds = (double)(g_get_monotonic_time () - started) / G_TIME_SPAN_SECOND;
      take_screenshot (&run, directory);
    }
  else
    decide (&run, CHECK_COULD_NOT, error->message);
  end (&run);
  return run.outcome;
}

/* Whether DOMAIN is of a check that does not run, and a desktop of this configuration's, which has
   a pin.  */
static gboolean
is_leftover (virDomainPtr domain, gpointer data)
{
  const Config *config = data;
  const char *name = virDomainGetName (domain);
  g_autofree char *pin_file = g_strconcat (name, ".json", NULL);
  g_autofree char *pin = config_run_path (config, "desktops", pin_file, NULL);

  return g_str_has_prefix (name, CHECK_DOMAIN_PREFIX)
         && !check_is_running (config, name + strlen (CHECK_DOMAIN_PREFIX))
         && access (pin, F_OK) == 0;
}

gboolean
check_run_sweep (const Config *config, virConnectPtr connection, GError **error)
{
  return transient_domain_sweep (connection, is_leftover, (gpointer)config, error);
}
