// SPDX-License-Identifier: GPL-2.0-or-later
// What a night has done, on one page.

#include "nightly-report.h"

#include <string.h>

#include "qcow-backing/size.h"

#define SAID_LINES  20
#define LINE_LENGTH 200 // characters

/* What each outcome is called in JSON, and in a summary.  */
static const struct
{
  const char *name;
  const char *counted;
  gboolean is_failure;
} OUTCOMES[] = {
  [NIGHTLY_UNCHANGED] = { "unchanged", "unchanged", FALSE },
  [NIGHTLY_PROMOTED] = { "promoted", "new in production", FALSE },
  [NIGHTLY_STAGED] = { "staged", "on the way to production", FALSE },
  [NIGHTLY_WAITING] = { "waiting", "still on the way", FALSE },
  [NIGHTLY_NOT_UP] = { "not-up", "refused by the check", FALSE },
  [NIGHTLY_NOT_CHECKED] = { "could-not-check", "not checked", TRUE },
  [NIGHTLY_OVERTAKEN] = { "overtaken", "overtaken", TRUE },
  [NIGHTLY_EDIT_FAILED] = { "edit-failed", "failed", TRUE },
  [NIGHTLY_PROMOTE_FAILED] = { "promote-failed", "not promoted", TRUE },
};

static void
image_free (gpointer data)
{
  NightlyImage *image = data;

  g_free (image->image);
  g_free (image->reason);
  g_free (image->said);
  g_free (image->console);
  g_free (image->screenshot);
  g_free (image);
}

NightlyReport *
nightly_report_new (const char *night)
{
  NightlyReport *report = g_new0 (NightlyReport, 1);

  report->night = g_strdup (night);
  report->images = g_ptr_array_new_with_free_func (image_free);
  return report;
}

void
nightly_report_free (NightlyReport *report)
{
  if (!report)
    return;
  g_free (report->night);
  g_free (report->host);
  g_free (report->begin);
  g_free (report->end);
  g_ptr_array_unref (report->images);
  g_free (report->failure);
  g_free (report->gc);
  g_free (report);
}

NightlyImage *
nightly_report_add (NightlyReport *report, const char *image)
{
  NightlyImage *added = g_new0 (NightlyImage, 1);

  added->image = g_strdup (image);
  added->new_bytes = -1;
  g_ptr_array_add (report->images, added);
  return added;
}

static guint
count (const NightlyReport *report, NightlyOutcome outcome)
{
  guint n = 0;

  for (guint i = 0; i < report->images->len; i++)
    n += ((NightlyImage *)report->images->pdata[i])->outcome == outcome;
  return n;
}

gboolean
nightly_report_has_failed (const NightlyReport *report)
{
  gboolean failed = report->failure != NULL || report->gc_failed;

  for (guint i = 0; i < G_N_ELEMENTS (OUTCOMES); i++)
    failed = failed || (OUTCOMES[i].is_failure && count (report, (NightlyOutcome)i) > 0);
  return failed;
}

gboolean
nightly_report_has_refused (const NightlyReport *report)
{
  return count (report, NIGHTLY_NOT_UP) > 0;
}

char *
nightly_report_summary (const NightlyReport *report)
{
  g_autoptr (GString) text = g_string_new (report->failure ? "there was no night" : NULL);

  for (guint i = G_N_ELEMENTS (OUTCOMES); i-- > 0;) // what an admin has to know first
    if (count (report, (NightlyOutcome)i) > 0)
      g_string_append_printf (text, "%s%u %s", text->len ? ", " : "",
                              count (report, (NightlyOutcome)i), OUTCOMES[i].counted);
  if (report->gc_failed)
    g_string_append_printf (text, "%sgc failed", text->len ? ", " : "");
  if (text->len == 0)
    g_string_append (text, "no image has a script");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* LINE, of what somebody else said, at most LINE_LENGTH characters that do nothing to a terminal.
 */
static void
append_line (GString *page, const char *line)
{
  guint n = 0;

  g_string_append (page, "    | ");
  for (const char *at = line; *at && n < LINE_LENGTH; at = g_utf8_next_char (at), n++)
    {
      gunichar c = g_utf8_get_char (at);
      g_string_append_unichar (page, g_unichar_isprint (c) ? c : ' ');
    }
  g_string_append_c (page, '\n');
}

/* The last lines of SAID that are not empty.  */
static void
append_said (GString *page, const char *said)
{
  g_autofree char *valid = g_utf8_make_valid (said, -1);
  g_auto (GStrv) lines = g_strsplit_set (valid, "\r\n", -1);
  g_autoptr (GPtrArray) kept = g_ptr_array_new ();

  for (gsize i = 0; lines[i]; i++)
    if (*g_strchomp (lines[i]))
      g_ptr_array_add (kept, lines[i]);
  for (guint i = kept->len > SAID_LINES ? kept->len - SAID_LINES : 0; i < kept->len; i++)
    append_line (page, kept->pdata[i]);
}

/* What became of IMAGE, in one sentence.  */
static void
append_outcome (GString *page, const NightlyImage *image)
{
  const char *reason = image->reason ? image->reason : "for no reason that it gave";
  guint version = image->version;

  switch (image->outcome)
    {
    case NIGHTLY_UNCHANGED:
      g_string_append (page, "unchanged");
      break;
    case NIGHTLY_PROMOTED:
      g_string_append_printf (page, "@%u is production now; before it was @%u", version,
                              image->production);
      break;
    case NIGHTLY_STAGED:
      g_string_append_printf (page, "@%u is on its way to production, by stages", version);
      break;
    case NIGHTLY_WAITING:
      g_string_append_printf (page, "nothing done: %s", reason);
      break;
    case NIGHTLY_NOT_UP:
      g_string_append_printf (page, "NOT UPDATED: @%u did not come up: %s", version, reason);
      break;
    case NIGHTLY_NOT_CHECKED:
      g_string_append_printf (page, "NOT UPDATED: @%u could not be checked, and is tried again: %s",
                              version, reason);
      break;
    case NIGHTLY_OVERTAKEN:
    case NIGHTLY_EDIT_FAILED:
      g_string_append_printf (page, "NOT UPDATED: %s", reason);
      break;
    case NIGHTLY_PROMOTE_FAILED:
      g_string_append_printf (page, "NOT UPDATED: @%u came up, but was not promoted: %s", version,
                              reason);
      break;
    }
}

static void
append_image (GString *page, const NightlyImage *image)
{
  g_autofree char *size = image->new_bytes >= 0 ? size_format ((guint64)image->new_bytes) : NULL;

  g_string_append_printf (page, "%s: ", image->image);
  append_outcome (page, image);
  g_string_append_c (page, '\n');
  if (image->resumed)
    g_string_append_printf (page, "    @%u was made in an earlier night\n", image->version);
  if (size)
    g_string_append_printf (page, "    new: %s\n", size);
  if (image->unchecked)
    g_string_append (page, "    not checked, as configured\n");
  if (image->up_seconds > 0)
    g_string_append_printf (page, "    checked: up after %.0f s\n", image->up_seconds);
  if (image->hosts > 0)
    g_string_append_printf (page, "    offline-ready: on %u of %u hosts\n", image->hosts_ready,
                            image->hosts);
  if (image->console)
    g_string_append_printf (page, "    console: %s\n", image->console);
  if (image->screenshot)
    g_string_append_printf (page, "    screenshot: %s\n", image->screenshot);
  if (image->said)
    append_said (page, image->said);
}

char *
nightly_report_render (const NightlyReport *report)
{
  g_autoptr (GString) page = g_string_new (NULL);
  g_autofree char *summary = nightly_report_summary (report);

  g_string_append_printf (page, "gild nightly %s on %s, %s to %s: %s\n", report->night,
                          report->host, report->begin, report->end, summary);
  if (report->failure)
    g_string_append_printf (page, "%s\n", report->failure);
  for (guint i = 0; i < report->images->len; i++)
    append_image (page, report->images->pdata[i]);
  if (report->gc)
    g_string_append_printf (page, "gc: %s%s\n", report->gc_failed ? "FAILED: " : "", report->gc);
  return g_string_free (g_steal_pointer (&page), FALSE);
}

static void
set_string (JsonObject *object, const char *member, const char *text)
{
  if (text)
    json_object_set_string_member (object, member, text);
  else
    json_object_set_null_member (object, member);
}

static JsonObject *
image_to_json (const NightlyImage *image)
{
  JsonObject *object = json_object_new ();
  g_autofree char *said = image->said ? g_utf8_make_valid (image->said, -1) : NULL;

  json_object_set_string_member (object, "image", image->image);
  json_object_set_string_member (object, "outcome", OUTCOMES[image->outcome].name);
  json_object_set_int_member (object, "production", image->production);
  if (image->version)
    json_object_set_int_member (object, "version", image->version);
  else
    json_object_set_null_member (object, "version");
  json_object_set_boolean_member (object, "resumed", image->resumed);
  json_object_set_int_member (object, "hosts", image->hosts);
  json_object_set_int_member (object, "hosts_ready", image->hosts_ready);
  set_string (object, "reason", image->reason);
  set_string (object, "said", said);
  set_string (object, "console", image->console);
  set_string (object, "screenshot", image->screenshot);
  return object;
}

JsonObject *
nightly_report_to_json (const NightlyReport *report)
{
  JsonObject *object = json_object_new ();
  JsonArray *images = json_array_new ();
  g_autofree char *summary = nightly_report_summary (report);

  for (guint i = 0; i < report->images->len; i++)
    json_array_add_object_element (images, image_to_json (report->images->pdata[i]));
  json_object_set_string_member (object, "night", report->night);
  json_object_set_string_member (object, "begin", report->begin);
  json_object_set_string_member (object, "end", report->end);
  json_object_set_string_member (object, "summary", summary);
  set_string (object, "failure", report->failure);
  json_object_set_array_member (object, "images", images);
  set_string (object, "gc", report->gc);
  json_object_set_boolean_member (object, "gc_failed", report->gc_failed);
  return object;
}
