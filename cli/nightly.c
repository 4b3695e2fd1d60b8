// SPDX-License-Identifier: GPL-2.0-or-later
// gild nightly: update images by their scripts: edit, check, promote, report.

#include "gild.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nightly-hosts.h"
#include "nightly-image.h"
#include "nightly-output.h"
#include "nightly-verb.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-lock.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/signature.h"
#include "qcow-backing/site.h"
#include "qcow-backing/size.h"

#define GC_SECONDS     (4 * 60 * 60)
#define ORPHANS_US     (2 * 60 * G_USEC_PER_SEC)
#define POLL_US        (G_USEC_PER_SEC / 5)
#define LOCK_TEXT_MAX  100
#define HOST_NAME_SIZE 256

/* The time as FORMAT has it, in local time.  */
static char *
local_time (const char *format)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();

  return g_date_time_format (now, format);
}

/* The process that holds the lock at PATH, as it has written there; 0: unknown.  */
static pid_t
lock_holder (const char *path)
{
  g_autofree char *text = file_read (path, LOCK_TEXT_MAX, NULL, NULL);

  return text ? (pid_t)g_ascii_strtoll (text, NULL, 10) : 0;
}

/* Lock the nights.  What a night that was killed has left running, which has been asked to end,
   holds its lock for a moment more: that is waited for.  -1 on error.  */
static int
lock_nights (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "nightly", ".lock", NULL);
  g_autofree char *text = g_strdup_printf ("%d\n", (int)getpid ());
  gint64 end_us = g_get_monotonic_time () + ORPHANS_US;
  g_autoptr (GError) cause = NULL;
  int fd;

  while ((fd = file_lock (AT_FDCWD, path, LOCK_EX | LOCK_NB, NULL, &cause)) < 0)
    {
      pid_t holder = lock_holder (path);
      if (!g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          g_propagate_error (error, g_steal_pointer (&cause));
          return -1;
        }
      if ((holder > 0 && (kill (holder, 0) == 0 || errno == EPERM))
          || g_get_monotonic_time () > end_us)
        {
          fail (error, "a night runs already: process %d, or what it has started, holds %s",
                (int)holder, path);
          return -1;
        }
      g_clear_error (&cause);
      g_usleep (POLL_US);
    }
  // For whoever comes while this one runs; the lock is the descriptor's.
  file_write_and_close (open (path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW), text,
                        strlen (text));
  return fd;
}

/* Make the nights' directory, where only a publisher's root has any business.  */
static gboolean
prepare (const Config *config, GError **error)
{
  g_autofree char *directory = config_state_path (config, "nightly", NULL);
  g_autoptr (SigningKey) key = site_load_signing_key (config, error);

  if (!key)
    return FALSE;
  return mkdir (directory, 0750) == 0 || errno == EEXIST
         || fail_errno (error, "make %s", directory);
}

static void
collect (const Verb *verb, NightlyReport *report)
{
  const char *arguments[] = { "gc", NULL };
  g_auto (BoundedChild) child = { 0 };
  g_autoptr (JsonNode) answer = nightly_verb_run (verb, arguments, GC_SECONDS, &child);
  JsonObject *object = answer ? json_node_get_object (answer) : NULL;
  JsonArray *versions = object ? json_read_array (object, "versions", G_MAXINT, NULL) : NULL;
  guint64 freed;

  report->gc_failed = child.status != EXIT_DONE || !versions
                      || !json_read_uint (object, "freed", 0, G_MAXINT64, &freed, NULL);
  if (report->gc_failed)
    {
      report->gc = nightly_verb_complaint (&child, "gc");
      return;
    }
  g_autofree char *size = size_format (freed);
  report->gc =
      g_strdup_printf ("%u versions removed, %s freed", json_array_get_length (versions), size);
}

/* Have each image go through the night, then what all of them have in common.  */
static gboolean
run_night (const Verb *verb, NightlyState *state, gboolean is_scheduled, NightlyReport *report,
           GError **error)
{
  g_autoptr (GPtrArray) scripts = nightly_scripts (verb->config->nightly_scripts, error);
  g_autoptr (ImageLibrary) library = scripts ? image_library_open (verb->config, error) : NULL;
  Night night = { verb, library, state, report->night };

  if (!library)
    return FALSE;
  for (guint i = 0; i < scripts->len; i++)
    {
      const NightlyScript *script = scripts->pdata[i];
      nightly_image_run (&night, script, nightly_report_add (report, script->image));
    }
  nightly_hosts_wait (verb, report);
  collect (verb, report);
  if (!is_scheduled)
    return TRUE;
  g_free (state->scheduled);
  state->scheduled = g_strdup (report->night);
  return nightly_state_save (verb->config, state, error);
}

/* Print REPORT, keep it, send it.  */
static ExitStatus
publish_report (const Verb *verb, NightlyReport *report)
{
  char host[HOST_NAME_SIZE] = "?";
  g_autoptr (GError) save_error = NULL, send_error = NULL;

  gethostname (host, sizeof host - 1);
  report->host = g_strdup (host);
  report->end = local_time ("%H:%M");
  g_autofree char *page = nightly_report_render (report);
  g_autofree char *summary = nightly_report_summary (report);
  g_autoptr (JsonObject) object = verb->json ? nightly_report_to_json (report) : NULL;
  if (object)
    json_print_object (object);
  else
    fputs (page, stdout);
  fflush (stdout);
  if (!nightly_output_save (verb->config, report->night, page, &save_error))
    verb_fail (verb, save_error);
  if (!nightly_output_send (verb->config, summary, page, &send_error))
    verb_fail (verb, send_error);
  if (save_error || send_error || nightly_report_has_failed (report))
    return EXIT_FAILED;
  return nightly_report_has_refused (report) ? EXIT_NO : EXIT_DONE;
}

static ExitStatus
nightly (const Verb *verb, gboolean is_scheduled, GError **error)
{
  g_autofree char *today = local_time ("%Y-%m-%d");
  g_autoptr (NightlyReport) report = nightly_report_new (today);
  g_autoptr (NightlyState) state = NULL;
  g_autoptr (GError) failure = NULL;
  int lock = prepare (verb->config, error) ? lock_nights (verb->config, error) : -1;

  if (lock < 0)
    return EXIT_FAILED;
  report->begin = local_time ("%H:%M");
  state = nightly_state_load (verb->config, &failure);
  gboolean is_over = state && is_scheduled && g_str_equal (state->scheduled, today);
  if (state && !is_over)
    run_night (verb, state, is_scheduled, report, &failure);
  if (failure)
    report->failure = g_strdup (failure->message);
  ExitStatus status = is_over ? EXIT_DONE : publish_report (verb, report);
  close (lock);
  return status;
}

ExitStatus
verb_nightly (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  gboolean is_scheduled = FALSE;
  const GOptionEntry options[] = {
    { "scheduled", 0, 0, G_OPTION_ARG_NONE, &is_scheduled,
      "Do nothing where such a night has been today: for timers", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "",
          "For each image that has a script: run that on a copy of the production version, boot what came of\n"
          "it, and if it comes up make it production. Then wait until the other hosts have it, collect, and\n"
          "report. A night that was killed is gone on with.",
          0, 0, &status))
    return status;
  status = nightly (&verb, is_scheduled, &error);
  return error ? verb_fail (&verb, error) : status;
}
