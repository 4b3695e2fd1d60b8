// SPDX-License-Identifier: GPL-2.0-or-later
// What a running desktop needs: decided from a picture of it, and nothing else.
//
// Why has QEMU paused it?  QEMU does not say: its status of a disk stays at the first error that
// the disk ever had.  But a write fails for want of space only where there is hardly any left, and
// for all else the image is to blame.

#include "desktop-care.h"

#include "qcow-backing/size.h"

#define WARN_PERCENT  50
#define SPILL_PERCENT 85
// What QEMU needs to write something, its own tables included, and the part of a small cap.
#define ROOM_TO_GO_ON      (4 * MiB)
#define ROOM_TO_GO_ON_PART 16
#define RESUMES_TO_BE_SURE 4

#define SPILL_SPEED     (200 * MiB) // in a second
#define LOOK_SOONEST_MS 100
#define LOOK_LATEST_MS  2000
#define LOOK_PAUSED_MS  250

static guint64
mark (guint64 cap, guint percent)
{
  return cap / 100 * percent;
}

static guint64
overlay_room (const DesktopPicture *picture)
{
  return picture->overlay_cap - MIN (picture->overlay_used, picture->overlay_cap);
}

static gboolean
overlay_is_full (const DesktopPicture *picture)
{
  return overlay_room (picture) <= MIN (ROOM_TO_GO_ON, picture->overlay_cap / ROOM_TO_GO_ON_PART);
}

static guint64
spill_room (const DesktopPicture *picture)
{
  guint64 left = picture->spill_limit - MIN (picture->spill_used, picture->spill_limit);

  return MIN (left, picture->disk_room);
}

static gboolean
spill_is_full (const DesktopPicture *picture)
{
  return spill_room (picture) <= ROOM_TO_GO_ON;
}

guint64
desktop_care_mark (const DesktopPicture *picture)
{
  return picture->is_spilled ? spill_room (picture) / 4 * 3
                             : mark (picture->overlay_cap, WARN_PERCENT);
}

static DesktopCare
care_running (const DesktopPicture *picture)
{
  guint64 used = picture->overlay_used, cap = picture->overlay_cap;

  if (picture->is_spilled && spill_is_full (picture))
    return (DesktopCare){ CARE_HOLD, CONDITION_FULL };
  if (picture->is_spilled)
    return (DesktopCare){ CARE_NOTHING, spill_room (picture) < picture->spill_used / 5
                                            ? CONDITION_SPILL_NEARLY_FULL
                                            : CONDITION_SPILLED };
  if (used >= mark (cap, SPILL_PERCENT))
    return (DesktopCare){ spill_is_full (picture) ? CARE_NOTHING : CARE_SPILL,
                          CONDITION_NEARLY_FULL };
  return (DesktopCare){ CARE_NOTHING,
                        used >= mark (cap, WARN_PERCENT) ? CONDITION_HALF_FULL : CONDITION_GOOD };
}

/* Running, for an instant, says little of a desktop that had to be resumed again and again.  */
static DesktopCare
care_just_resumed (const DesktopPicture *picture)
{
  DesktopCare care = care_running (picture);

  if (picture->n_resumes >= RESUMES_TO_BE_SURE)
    care.condition = CONDITION_IMAGE_LOST;
  return care;
}

/* After nbdkit was away the first request may fail once more.  */
static DesktopCare
care_without_image (const DesktopPicture *picture)
{
  if (!picture->nbdkit_answers)
    return (DesktopCare){ CARE_NOTHING, CONDITION_NBDKIT_LOST };
  return (DesktopCare){ CARE_RESUME, care_just_resumed (picture).condition };
}

static DesktopCare
care_stuck (const DesktopPicture *picture)
{
  if (picture->is_spilled)
    return spill_is_full (picture) ? (DesktopCare){ CARE_NOTHING, CONDITION_FULL }
                                   : care_without_image (picture);
  if (picture->overlay_used >= mark (picture->overlay_cap, SPILL_PERCENT)
      && !spill_is_full (picture))
    return (DesktopCare){ CARE_SPILL, CONDITION_NEARLY_FULL };
  return overlay_is_full (picture) ? (DesktopCare){ CARE_NOTHING, CONDITION_FULL }
                                   : care_without_image (picture);
}

static DesktopCare
care_held (const DesktopPicture *picture)
{
  return (DesktopCare){ spill_is_full (picture) ? CARE_NOTHING : CARE_RESUME, CONDITION_FULL };
}

DesktopCare
desktop_care_decide (const DesktopPicture *picture)
{
  switch (picture->run)
    {
    case DESKTOP_RUNS:
      return care_just_resumed (picture);
    case DESKTOP_STUCK:
      return care_stuck (picture);
    case DESKTOP_HELD:
      return care_held (picture);
    default:
      return (DesktopCare){ CARE_NOTHING, care_running (picture).condition };
    }
}

gboolean
desktop_care_may_spill (const DesktopPicture *picture)
{
  return !spill_is_full (picture);
}

int
desktop_care_next_look (const DesktopPicture *picture, guint64 growth_bytes, guint period_ms)
{
  guint64 used = picture->overlay_used, room;

  if (picture->run == DESKTOP_ELSE)
    return -1;
  if (picture->run != DESKTOP_RUNS)
    return LOOK_PAUSED_MS;
  // After a long time without a look all growth may have been just now.
  if (period_ms > LOOK_LATEST_MS)
    period_ms = LOOK_SOONEST_MS;
  if (picture->is_spilled)
    {
      // Here nobody stops it but gildd, so it is taken to be fast.
      room = spill_room (picture);
      growth_bytes = MAX (growth_bytes, SPILL_SPEED * period_ms / 1000);
    }
  else if (used >= mark (picture->overlay_cap, SPILL_PERCENT))
    room = overlay_room (picture);
  else
    room = mark (picture->overlay_cap, SPILL_PERCENT) - used;
  // Half of the time that it takes at that speed.
  guint64 left_ms = growth_bytes > 0 ? room * period_ms / growth_bytes / 2 : LOOK_LATEST_MS;
  return (int)CLAMP (left_ms, LOOK_SOONEST_MS, LOOK_LATEST_MS);
}

const char *
desktop_condition_name (DesktopCondition condition)
{
  static const char *const NAMES[] = {
    [CONDITION_GOOD] = "good",
    [CONDITION_HALF_FULL] = "half-full",
    [CONDITION_NEARLY_FULL] = "nearly-full",
    [CONDITION_SPILLED] = "spilled",
    [CONDITION_SPILL_NEARLY_FULL] = "spill-nearly-full",
    [CONDITION_FULL] = "full",
    [CONDITION_NBDKIT_LOST] = "nbdkit-lost",
    [CONDITION_IMAGE_LOST] = "image-lost",
  };

  return NAMES[condition];
}

/* What a desktop whose overlay fills can look forward to.  */
static char *
describe_outlook (const char *name, const DesktopPicture *picture)
{
  if (picture->spill_limit == 0)
    return g_strdup_printf (
        "when it is full the desktop pauses: shut it down before, or allow it disk space with `gild spill %s --size 20GiB`",
        name);
  if (spill_is_full (picture))
    return g_strdup (
        "when it is full the desktop pauses, since the disk has only its last tenth left: free some of it");
  return g_strdup_printf ("at %u %% it goes on on disk", SPILL_PERCENT);
}

static char *
describe_full (const char *name, const DesktopPicture *picture)
{
  g_autofree char *limit = size_format (picture->spill_limit);

  if (picture->spill_limit == 0)
    return g_strdup_printf (
        "paused, since its overlay is full and it may not use the disk: allow it with `gild spill %s --size 20GiB`, or end it with `virsh destroy %s`, which discards its changes",
        name, name);
  if (picture->disk_room <= ROOM_TO_GO_ON)
    return g_strdup_printf (
        "paused, since its overlay is full and the disk has only its last tenth left: free some of it and it goes on, or end it with `virsh destroy %s`, which discards its changes",
        name);
  return g_strdup_printf (
      "paused, since it has used the %s of disk that it may use: allow it more with `gild spill %s --size SIZE`, or end it with `virsh destroy %s`, which discards its changes",
      limit, name, name);
}

char *
desktop_care_notice (const char *name, const DesktopPicture *picture, DesktopCondition condition)
{
  g_autofree char *used = size_format (picture->overlay_used);
  g_autofree char *cap = size_format (picture->overlay_cap);
  g_autofree char *spilled = size_format (picture->spill_used);
  g_autofree char *limit = size_format (picture->spill_limit);
  g_autofree char *outlook = describe_outlook (name, picture);

  switch (condition)
    {
    case CONDITION_HALF_FULL:
      return g_strdup_printf ("its overlay is half full (%s of %s); %s", used, cap, outlook);
    case CONDITION_NEARLY_FULL:
      return g_strdup_printf ("its overlay is nearly full (%s of %s); %s", used, cap, outlook);
    case CONDITION_SPILLED:
      return g_strdup_printf (
          "it writes to disk, since its overlay was full (%s of %s used); shutting it down frees both",
          spilled, limit);
    case CONDITION_SPILL_NEARLY_FULL:
      return g_strdup_printf (
          "it has little disk space left (%s of %s used); when that is full it pauses: shut it down before, or allow it more with `gild spill %s --size SIZE`",
          spilled, limit, name);
    case CONDITION_FULL:
      return describe_full (name, picture);
    case CONDITION_NBDKIT_LOST:
      return g_strdup (
          "paused, since nbdkit does not answer: see `systemctl status gild-nbd` or `gild-services status`; it goes on when nbdkit is back");
    case CONDITION_IMAGE_LOST:
      return g_strdup (
          "paused, since its image cannot be read: `gild verify` tells why; it goes on when the image is whole");
    default:
      return NULL;
    }
}
