// SPDX-License-Identifier: GPL-2.0-or-later
// One running desktop as gildd follows it: looked at when something has happened, and helped.
//
// When does an overlay have to be looked at?  A file cannot fill half of the RAM before it is half
// as long as that, so libvirt is asked for an event when it is, and until then nothing is done.
// From then on the tmpfs tells how full it is, which the file's length does not: sub-clusters and
// discards leave holes in it.  A desktop that has spilled is looked at every now and then, since
// others fill the disk too, and libvirt tells when it has written much of what is left.
//
// libvirt is asked how the desktop is only after an event: that costs more than the rest of a look,
// and one that is half full is looked at every two seconds for as long as it runs.
//
// Nothing is known here that a new gildd could not find out: whether a desktop has spilled is in
// the domain's XML, why it is paused libvirt knows, and that gildd itself has paused it is the file
// STATE/spill/NAME/held.

#include "watched-desktop.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "libvirt-connection.h"
#include "nbd-check.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/overlay.h"
#include "spill.h"

#define RETRY_MS         5000 // after something that failed
#define RESUME_AGAIN_MS  100  // doubled with each time
#define RESUME_DOUBLINGS 6
#define RAN_WELL_MS      3000

struct WatchedDesktop
{
  const Config *config;
  Pin *pin;
  virDomainPtr domain;
  gboolean is_known; // how many layers on disk it has
  guint layers;
  gboolean is_armed;  // libvirt will tell when the overlay grows past the first mark
  gboolean has_grown; // it has
  gboolean runs_on;   // it ran at the last look, which had nothing to do
  DesktopPicture picture;
  DesktopCondition condition;
  char *failure; // of the last attempt to help
  gint64 looked_us, resumed_us;
};

WatchedDesktop *
watched_desktop_new (const Config *config, virDomainPtr domain, Pin *pin)
{
  WatchedDesktop *desktop = g_new0 (WatchedDesktop, 1);

  virDomainRef (domain);
  desktop->config = config;
  desktop->domain = domain;
  desktop->pin = pin;
  return desktop;
}

void
watched_desktop_free (WatchedDesktop *desktop)
{
  if (!desktop)
    return;
  virDomainFree (desktop->domain);
  pin_free (desktop->pin);
  g_free (desktop->failure);
  g_free (desktop);
}

void
watched_desktop_has_grown (WatchedDesktop *desktop)
{
  desktop->has_grown = TRUE;
}

DesktopReport
watched_desktop_report (const WatchedDesktop *desktop)
{
  g_autofree char *notice =
      desktop_care_notice (desktop->pin->name, &desktop->picture, desktop->condition);

  return (DesktopReport){
    .condition = desktop->condition,
    .spill_used = desktop->picture.spill_used,
    .spill_limit = desktop->picture.spill_limit,
    .notice = desktop->failure ? g_strdup_printf ("%s%s%s", notice ? notice : "",
                                                  notice ? "; " : "", desktop->failure)
                               : g_steal_pointer (&notice),
  };
}

static char *
held_path (const WatchedDesktop *desktop)
{
  return config_state_path (desktop->config, "spill", desktop->pin->name, "held", NULL);
}

static gboolean
is_held (const WatchedDesktop *desktop)
{
  g_autofree char *path = held_path (desktop);

  return access (path, F_OK) == 0;
}

static gboolean
mark_held (const WatchedDesktop *desktop, GError **error)
{
  g_autofree char *path = held_path (desktop);
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd < 0)
    return fail_errno (error, "make %s", path);
  close (fd);
  return TRUE;
}

static void
unmark_held (const WatchedDesktop *desktop)
{
  g_autofree char *path = held_path (desktop);

  unlink (path);
}

static DesktopRun
look_at_domain (const WatchedDesktop *desktop)
{
  int state = VIR_DOMAIN_NOSTATE, reason = 0;

  if (virDomainGetState (desktop->domain, &state, &reason, 0) < 0)
    return DESKTOP_ELSE;
  if (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED)
    return DESKTOP_RUNS;
  if (state != VIR_DOMAIN_PAUSED)
    return DESKTOP_ELSE;
  if (reason == VIR_DOMAIN_PAUSED_IOERROR)
    return DESKTOP_STUCK;
  return reason == VIR_DOMAIN_PAUSED_USER && is_held (desktop) ? DESKTOP_HELD : DESKTOP_ELSE;
}

/* The limit may have been changed since the desktop started.  */
static void
read_limit (WatchedDesktop *desktop)
{
  g_autoptr (JsonNode) node = pin_load (desktop->config, desktop->pin->name, NULL);
  g_autoptr (Pin) pin = node ? pin_read (node, NULL) : NULL;

  desktop->picture.spill_limit = pin ? pin->spill_bytes : desktop->pin->spill_bytes;
}

static gboolean
look_at_overlays (WatchedDesktop *desktop, GError **error)
{
  const Config *config = desktop->config;
  DesktopPicture *picture = &desktop->picture;

  if (!desktop->is_known
      && !spill_look (config, desktop->pin, desktop->domain, &desktop->layers, error))
    return FALSE;
  desktop->is_known = TRUE;
  picture->is_spilled = desktop->layers > 0;
  if (!overlay_measure (config, desktop->pin->name, &picture->overlay_used, &picture->overlay_cap))
    return fail (error, "its overlay is not mounted in %s any more", config->run_dir);
  picture->spill_used = picture->is_spilled ? spill_used_bytes (config, desktop->pin) : 0;
  picture->disk_room = spill_disk_room_bytes (config);
  return TRUE;
}

/* Forget how often it was resumed when it runs, or when nbdkit is away: that starts anew.  */
static void
count_resumes (WatchedDesktop *desktop)
{
  DesktopPicture *picture = &desktop->picture;
  gboolean ran_well = g_get_monotonic_time () - desktop->resumed_us > RAN_WELL_MS * 1000;

  if ((picture->run == DESKTOP_RUNS && ran_well)
      || (picture->run == DESKTOP_STUCK && !picture->nbdkit_answers))
    picture->n_resumes = 0;
}

/* What changes only with an event, or by what gildd does.  */
static void
look_at_run (WatchedDesktop *desktop)
{
  desktop->picture.run = look_at_domain (desktop);
  read_limit (desktop);
  if (desktop->picture.run == DESKTOP_RUNS)
    unmark_held (desktop);
}

static gboolean
take_picture (WatchedDesktop *desktop, gboolean is_woken, GError **error)
{
  DesktopPicture *picture = &desktop->picture;
  g_autofree char *nbd_socket = config_run_path (desktop->config, "nbd.sock", NULL);

  if (is_woken || !desktop->runs_on)
    look_at_run (desktop);
  if (!look_at_overlays (desktop, picture->run == DESKTOP_ELSE ? NULL : error))
    return picture->run == DESKTOP_ELSE; // one that ends has none any more
  picture->nbdkit_answers = picture->run == DESKTOP_STUCK && nbd_check (nbd_socket, NULL);
  count_resumes (desktop);
  return TRUE;
}

/* Have libvirt tell when a file that is written to has grown by its part of the mark.  */
static gboolean
arm (const WatchedDesktop *desktop)
{
  guint64 part = desktop_care_mark (&desktop->picture) / desktop->pin->targets->len;
  gboolean done = TRUE;

  for (guint i = 0; i < desktop->pin->targets->len; i++)
    {
      const char *target = desktop->pin->targets->pdata[i];
      guint64 from = desktop->picture.is_spilled
                         ? spill_length_bytes (desktop->config, desktop->pin, target)
                         : 0;
      done = virDomainSetBlockThreshold (desktop->domain, target, from + part, 0) == 0 && done;
    }
  return done;
}

static gboolean
hold (WatchedDesktop *desktop, GError **error)
{
  if (!mark_held (desktop, error))
    return FALSE;
  if (virDomainSuspend (desktop->domain) == 0)
    return TRUE;
  unmark_held (desktop);
  return libvirt_fail (error, "pause the desktop");
}

static gboolean
resume (WatchedDesktop *desktop, GError **error)
{
  desktop->resumed_us = g_get_monotonic_time ();
  desktop->picture.n_resumes++;
  if (virDomainResume (desktop->domain) < 0)
    return libvirt_fail (error, "let the desktop go on");
  unmark_held (desktop);
  return TRUE;
}

/* Milliseconds until the desktop may be resumed once more.  */
static int
resume_delay_ms (const WatchedDesktop *desktop)
{
  guint n = desktop->picture.n_resumes;
  gint64 pause_ms = n > 0 ? RESUME_AGAIN_MS << MIN (n - 1, RESUME_DOUBLINGS) : 0;
  gint64 since_ms = (g_get_monotonic_time () - desktop->resumed_us) / 1000;

  return (int)MAX (pause_ms - since_ms, 0);
}

gboolean
watched_desktop_add_layer (WatchedDesktop *desktop, guint *layers, GError **error)
{
  const char *name = desktop->pin->name;

  desktop->is_known = FALSE;
  read_limit (desktop);
  if (!look_at_overlays (desktop, error))
    return FALSE;
  *layers = desktop->layers;
  if (!desktop_care_may_spill (&desktop->picture))
    return fail (
        error,
        "%s may write no more to disk, as it does from a copy on: let it with `gild spill %s --size 20GiB`, or make room on the disk",
        name, name);
  desktop->is_known = FALSE;
  if (!spill_add_layer (desktop->config, desktop->pin, desktop->domain, *layers, error))
    {
      g_prefix_error (error, "%s: ", name);
      return FALSE;
    }
  g_message ("%s: it writes to a new overlay on disk, for a copy of what it has written", name);
  return TRUE;
}

/* Say what has changed for people since the last look.  */
static void
log_condition (WatchedDesktop *desktop, DesktopCondition condition)
{
  g_autofree char *notice = desktop_care_notice (desktop->pin->name, &desktop->picture, condition);

  if (condition == desktop->condition)
    return;
  desktop->condition = condition;
  if (notice)
    g_message ("%s: %s", desktop->pin->name, notice);
  else
    g_message ("%s: all is good again", desktop->pin->name);
}

/* Do what is needed.  Returns when to look again, 0 if that is at once; -1 if nothing was done.  */
static int
act (WatchedDesktop *desktop, CareAction action, GError **error)
{
  int delay;

  switch (action)
    {
    case CARE_SPILL:
      desktop->is_known = FALSE;
      if (!spill_add_layer (desktop->config, desktop->pin, desktop->domain, 0, error))
        return RETRY_MS;
      g_message ("%s: it writes to disk from now on", desktop->pin->name);
      return 0;
    case CARE_HOLD:
      return hold (desktop, error) ? 0 : RETRY_MS;
    case CARE_RESUME:
      if ((delay = resume_delay_ms (desktop)) > 0)
        return delay;
      return resume (desktop, error) ? RAN_WELL_MS + 1 : RETRY_MS;
    default:
      return -1;
    }
}

static void
remember_failure (WatchedDesktop *desktop, const GError *failure)
{
  if (failure && g_strcmp0 (failure->message, desktop->failure) != 0)
    g_message ("%s: %s", desktop->pin->name, failure->message);
  g_free (desktop->failure);
  desktop->failure = failure ? g_strdup (failure->message) : NULL;
}

/* When to look again at one that needs nothing now.  */
static int
next_look (WatchedDesktop *desktop, guint64 used_before)
{
  const DesktopPicture *picture = &desktop->picture;
  gint64 now_us = g_get_monotonic_time ();
  gint64 period_ms = MAX ((now_us - desktop->looked_us) / 1000, 1);
  guint64 used = picture->is_spilled ? picture->spill_used : picture->overlay_used;

  desktop->looked_us = now_us;
  if (picture->run == DESKTOP_RUNS && picture->is_spilled)
    arm (desktop);
  else if (picture->run == DESKTOP_RUNS && !desktop->has_grown)
    {
      desktop->is_armed = desktop->is_armed || arm (desktop);
      if (desktop->is_armed)
        return -1;
    }
  return desktop_care_next_look (picture, used > used_before ? used - used_before : 0,
                                 (guint)MIN (period_ms, G_MAXINT));
}

int
watched_desktop_look (WatchedDesktop *desktop, gboolean is_woken)
{
  g_autoptr (GError) failure = NULL;
  const DesktopPicture *picture = &desktop->picture;
  guint64 used_before = picture->is_spilled ? picture->spill_used : picture->overlay_used;
  gboolean runs_on = FALSE;
  int next = RETRY_MS;

  if (take_picture (desktop, is_woken, &failure))
    {
      DesktopCare care = desktop_care_decide (picture);
      runs_on = picture->run == DESKTOP_RUNS && care.action == CARE_NOTHING;
      log_condition (desktop, care.condition);
      next = act (desktop, care.action, &failure);
      if (next < 0)
        next = next_look (desktop, used_before);
      if (picture->run == DESKTOP_RUNS && picture->n_resumes > 0 && next < 0)
        next = RAN_WELL_MS + 1;
    }
  desktop->runs_on = runs_on;
  remember_failure (desktop, failure);
  return next;
}
