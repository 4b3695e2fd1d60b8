// SPDX-License-Identifier: GPL-2.0-or-later
// One running desktop as gildd follows it: looked at when something has happened, and helped.
#pragma once

#include <libvirt/libvirt.h>

#include "desktop-care.h"
#include "qcow-backing/pins.h"

typedef struct WatchedDesktop WatchedDesktop;

/* Follow DOMAIN, which booted what PIN says.  Takes over PIN; CONFIG must stay.  */
WatchedDesktop *watched_desktop_new (const Config *config, virDomainPtr domain, Pin *pin);
void watched_desktop_free (WatchedDesktop *desktop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WatchedDesktop, watched_desktop_free)

/* Its overlay has grown past the mark that libvirt was told of.  */
void watched_desktop_has_grown (WatchedDesktop *desktop);

/* Look at it and do what it needs: let it write to disk, pause it, let it go on.  IS_WOKEN: an
   event of libvirt's or a change of its limit may have come since the last look.  What it comes
   back to is logged once.  Waits for libvirt.  Returns the milliseconds after which it wants to be
   looked at again; -1: not before its domain's next event.  */
int watched_desktop_look (WatchedDesktop *desktop, gboolean is_woken);

/* Have it write to a further layer on disk, from this instant on; *LAYERS is how many it had. Waits
   for libvirt.  */
gboolean watched_desktop_add_layer (WatchedDesktop *desktop, guint *layers, GError **error);

/* What the last look saw, for people; a copy, whose notice may be NULL.  */
typedef struct
{
  DesktopCondition condition;
  guint64 spill_used, spill_limit; // bytes
  char *notice;                    // a sentence that says what to do
} DesktopReport;
DesktopReport watched_desktop_report (const WatchedDesktop *desktop);
