// SPDX-License-Identifier: GPL-2.0-or-later
// gild check: does a version come up in a VM that is thrown away afterwards?
//
// This process stays root, to speak to libvirt and to run the admin's script; but what it does to
// files, it does as the store's owner, since STATE/checks is theirs.

#include "gild.h"

#include <stdio.h>
#include <unistd.h>

#include "check-run.h"
#include "daemon/console-matcher.h"
#include "qcow-backing/duration.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/site.h"
#include "qcow-backing/utc-date.h"
#include "vm-options.h"

#define TIMEOUT_DEFAULT "5m"

/* The options, and what they come to.  */
typedef struct
{
  char *channel, *ready, *script, *timeout;
  VmOptions vm;
  gboolean agent;
  char *image;
  guint version; // 0: the channel's, until that is known
  guint timeout_seconds;
} Check;

static void
check_clear (Check *check)
{
  g_free (check->channel);
  g_free (check->ready);
  g_free (check->script);
  g_free (check->timeout);
  g_free (check->image);
  vm_options_clear (&check->vm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Check, check_clear)

/* What was asked for, which is wrong or right whatever there is on this host.  */
static gboolean
read_options (Check *check, const Verb *verb, GError **error)
{
  if (!image_ref_parse (verb->argv[0], &check->image, &check->version, error))
    return FALSE;
  if (check->version && check->channel)
    return fail (error, "both a version and --channel are given: leave one out");
  if ((check->agent ? 1 : 0) + (check->ready ? 1 : 0) + (check->script ? 1 : 0) > 1)
    return fail (error, "--agent, --ready and --script say what is up: leave one");
  return vm_options_read (&check->vm, verb->config, error)
         && (!check->channel || channel_name_check (check->channel, error))
         && (!check->ready || console_text_check (check->ready, error))
         && duration_parse (check->timeout ? check->timeout : TIMEOUT_DEFAULT,
                            &check->timeout_seconds, error);
}

/* Find the version, and that its record and index are good.  */
static gboolean
find_version (Check *check, const Config *config, GError **error)
{
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  const char *channel = check->channel ? check->channel : CHANNEL_DEFAULT;

  if (!library
      || (!check->version
          && !image_library_resolve (library, check->image, channel, &check->version, error)))
    return FALSE;
  g_autoptr (ImageVersion) version =
      image_library_load (library, check->image, check->version, error);
  return version != NULL;
}

static gboolean
check_script (const Check *check, GError **error)
{
  return !check->script || access (check->script, X_OK) == 0
         || fail_errno (error, "the script %s cannot be run", check->script);
}

/* Make the result the version's.  What could not be checked says nothing of a version, so an older
   result stays.  */
static gboolean
keep (const Check *check, CheckDirectory *directory, const CheckOutcome *outcome, GError **error)
{
  g_autofree char *checked = utc_date (0);
  const CheckRecord record = { .image = check->image,
                               .version = check->version,
                               .is_up = outcome->verdict == CHECK_UP,
                               .reason = outcome->reason,
                               .seconds = outcome->seconds,
                               .checked = checked,
                               .console = (char *)CHECK_CONSOLE_FILE,
                               .screenshot = outcome->screenshot };

  return outcome->verdict == CHECK_COULD_NOT || check_directory_keep (directory, &record, error);
}

/* As root, who can read any template.  */
static char *
make_xml_as_root (const Check *check, const Config *config, const char *domain, GError **error)
{
  const TemplateValues values = { .name = domain,
                                  .image = check->image,
                                  .version = check->version };
  const TransientValues once = { 0 };
  g_autofree char *xml = site_use_files_as_owner (config, FALSE, error)
                             ? vm_options_xml (&check->vm, config, values, once, error)
                             : NULL;

  return xml && site_use_files_as_owner (config, TRUE, error) ? g_steal_pointer (&xml) : NULL;
}

/* With a connection, and as the store's owner for files.  */
static gboolean
run (const Check *check, const Config *config, virConnectPtr connection, CheckOutcome *outcome,
     GError **error)
{
  g_autoptr (CheckDirectory) directory = check_directory_make (config, error);

  if (!directory || !check_run_sweep (config, connection, error))
    return FALSE;
  g_autofree char *domain = g_strconcat (CHECK_DOMAIN_PREFIX, check_directory_id (directory), NULL);
  g_autofree char *xml = make_xml_as_root (check, config, domain, error);
  if (!xml)
    return FALSE;
  const CheckPlan plan = { .image = check->image,
                           .version = check->version,
                           .xml = xml,
                           .domain = domain,
                           .agent = check->agent,
                           .ready = check->ready,
                           .script = check->script,
                           .timeout_seconds = check->timeout_seconds };
  *outcome = check_run (&plan, connection, directory);
  return keep (check, directory, outcome, error);
}

static gboolean
prepare_and_run (Check *check, const Config *config, CheckOutcome *outcome, GError **error)
{
  g_autoptr (virConnect) connection = NULL;

  if (geteuid () != 0)
    return fail (error, "only root can start a VM from an image: run it with sudo");
  if (!check_script (check, error) || !site_use_files_as_owner (config, TRUE, error)
      || !find_version (check, config, error) || !site_use_files_as_owner (config, FALSE, error)
      || !check_results_prepare (config, error)
      || !(connection = libvirt_connect_for_events (error)))
    return FALSE;
  return site_use_files_as_owner (config, TRUE, error)
         && run (check, config, connection, outcome, error);
}

/* The path of a file of the version's result, for the caller to free; NULL where there is none.  */
static char *
result_file (const Check *check, const Config *config, const CheckOutcome *outcome,
             const char *name)
{
  return name && outcome->verdict != CHECK_COULD_NOT
             ? check_results_file (config, check->image, check->version, name)
             : NULL;
}

static void
set_string (JsonObject *object, const char *member, const char *text)
{
  if (text)
    json_object_set_string_member (object, member, text);
  else
    json_object_set_null_member (object, member);
}

static void
print_json (const Check *check, const CheckOutcome *outcome, const char *console,
            const char *screenshot)
{
  static const char *const RESULTS[] = { "could-not-check", "not-up", "up" };
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "image", check->image);
  if (check->version)
    json_object_set_int_member (object, "version", check->version);
  else
    json_object_set_null_member (object, "version");
  json_object_set_string_member (object, "result", RESULTS[outcome->verdict]);
  json_object_set_string_member (object, "reason", outcome->reason);
  json_object_set_double_member (object, "seconds", outcome->seconds);
  set_string (object, "console", console);
  set_string (object, "screenshot", screenshot);
  json_print_object (object);
}

static void
print_text (const Check *check, const CheckOutcome *outcome, const char *console,
            const char *screenshot)
{
  if (outcome->verdict == CHECK_UP)
    printf ("%s@%u is up after %.1f s: %s\n", check->image, check->version, outcome->seconds,
            outcome->reason);
  else
    printf ("%s@%u is not up: %s\n", check->image, check->version, outcome->reason);
  printf ("console: %s\n", console);
  if (screenshot)
    printf ("screen:  %s\n", screenshot);
}

static ExitStatus
report (const Verb *verb, const Check *check, const CheckOutcome *outcome)
{
  static const ExitStatus STATUSES[] = { EXIT_FAILED, EXIT_NO, EXIT_DONE };
  g_autofree char *console = result_file (check, verb->config, outcome, CHECK_CONSOLE_FILE);
  g_autofree char *screenshot = result_file (check, verb->config, outcome, outcome->screenshot);

  if (outcome->verdict == CHECK_COULD_NOT)
    {
      g_autoptr (GError) error = NULL;
      fail (&error, "could not check %s: %s", verb->argv[0], outcome->reason);
      verb_fail (verb, error);
    }
  if (verb->json)
    print_json (check, outcome, console, screenshot);
  else if (outcome->verdict != CHECK_COULD_NOT)
    print_text (check, outcome, console, screenshot);
  return STATUSES[outcome->verdict];
}

ExitStatus
verb_check (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (Check) check = { 0 };
  g_auto (CheckOutcome) outcome = { 0 };
  const GOptionEntry options[] = {
    { "channel", 0, 0, G_OPTION_ARG_STRING, &check.channel,
      "Without @V: check the version that CHANNEL names (production)", "CHANNEL" },
    VM_OPTIONS_ENTRIES (check.vm),
    { "agent", 0, 0, G_OPTION_ARG_NONE, &check.agent,
      "It is up when its guest agent answers, and not before", NULL },
    { "ready", 0, 0, G_OPTION_ARG_STRING, &check.ready,
      "It is up when its serial console says TEXT, and not before", "TEXT" },
    { "script", 0, 0, G_OPTION_ARG_FILENAME, &check.script,
      "It is up when the program FILE ends with status 0, not up with 3", "FILE" },
    { "timeout", 0, 0, G_OPTION_ARG_STRING, &check.timeout, "Not up after TIME (5m)", "TIME" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE[@V]",
          "Boot a version in a VM that is thrown away, and say whether it comes up: until its guest agent\n"
          "answers or its serial console asks for a login. Keeps what the console said and a picture of\n"
          "the screen. Exit status 0: it is up; 3: it is not; 1: that could not be checked.",
          1, 1, &status))
    return status;
  if (!read_options (&check, &verb, &error))
    return verb_usage (&verb, error);
  if (!prepare_and_run (&check, verb.config, &outcome, &error))
    {
      check_outcome_clear (&outcome);
      outcome.verdict = CHECK_COULD_NOT;
      outcome.reason = g_strdup (error->message);
    }
  return report (&verb, &check, &outcome);
}
