// SPDX-License-Identifier: GPL-2.0-or-later
// What a night has done, on one page.
#pragma once

#include <json-glib/json-glib.h>

typedef enum
{
  NIGHTLY_UNCHANGED,      // the script has changed nothing
  NIGHTLY_PROMOTED,       // production names the new version
  NIGHTLY_STAGED,         // some hosts get it, and by and by the others
  NIGHTLY_WAITING,        // a rollout of the version before still runs: nothing was done
  NIGHTLY_NOT_UP,         // the check refused the version
  NIGHTLY_NOT_CHECKED,    // it could not be checked
  NIGHTLY_OVERTAKEN,      // somebody has changed production meanwhile
  NIGHTLY_EDIT_FAILED,    // the script, or gild edit
  NIGHTLY_PROMOTE_FAILED, // gild promote
} NightlyOutcome;

/* One image.  Owns its strings; those that are NULL are not known.  */
typedef struct
{
  char *image;
  NightlyOutcome outcome;
  guint production;   // that there was before; 0: none
  guint version;      // that the night has made or gone on with; 0: none
  gboolean resumed;   // an earlier night has made it
  gboolean unchecked; // as the configuration wants it
  gint64 new_bytes;   // of it; -1: not known
  double up_seconds;
  char *reason;     // one sentence
  char *said;       // what script or guest said last, any bytes in many lines
  char *console;    // a file with all that the guest said
  char *screenshot; // a file
  guint hosts;      // that had production whole and live
  guint hosts_ready;
} NightlyImage;

typedef struct
{
  char *night;       // its day: "2026-11-26"
  char *host;        // where it was
  char *begin, *end; // "02:00"
  GPtrArray *images; // of NightlyImage *
  char *failure;     // why there was no night at all, or NULL
  char *gc;          // what gc has done, or why it failed; NULL: there was none
  gboolean gc_failed;
} NightlyReport;

NightlyReport *nightly_report_new (const char *night);
void nightly_report_free (NightlyReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NightlyReport, nightly_report_free)

/* One more, which REPORT owns; its outcome is to be set.  */
NightlyImage *nightly_report_add (NightlyReport *report, const char *image);

/* Whether something failed; whether a check refused a version.  */
gboolean nightly_report_has_failed (const NightlyReport *report);
gboolean nightly_report_has_refused (const NightlyReport *report);

/* In a few words, for a subject: "1 new version, 1 failed, 2 unchanged".  */
char *nightly_report_summary (const NightlyReport *report);

/* The page: lines of printable text, of what others said the last lines alone.  */
char *nightly_report_render (const NightlyReport *report);
JsonObject *nightly_report_to_json (const NightlyReport *report);
