// SPDX-License-Identifier: GPL-2.0-or-later
// The watch over the running desktops: a thread with libvirt's event loop.
#pragma once

#include <json-glib/json-glib.h>

#include "control-server.h"
#include "qcow-backing/config.h"

typedef struct DesktopWatch DesktopWatch;

/* Start to follow the desktops of this host, those that run already too, over a connection to
   libvirt that is made anew whenever it is lost.  CONFIG must stay.  One in a process.  */
DesktopWatch *desktop_watch_start (const Config *config, GError **error);

/* End the thread, without waiting for a libvirt that does not answer.  */
void desktop_watch_stop (DesktopWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DesktopWatch, desktop_watch_stop)

/* Have the desktop NAME looked at soon, since something about it has changed.  */
void desktop_watch_poke (DesktopWatch *watch, const char *name);

/* Add to PIN what is known of the desktop NAME:
     "condition": as desktop_condition_name has it, "notice": sentence or null,
     "spill_used", "spill_limit": bytes
   Nothing where it is not followed.  */
void desktop_watch_describe (DesktopWatch *watch, const char *name, JsonObject *pin);

/* Have the desktop NAME, running or paused, write to a further layer on disk (spill.h), so that
   those below do not change any more.  REPLY is answered as POST /desktops/NAME/layer (gildd(8)).
 */
void desktop_watch_add_layer (DesktopWatch *watch, const char *name, ControlReply *reply);

/* Why there is no connection to libvirt, owned by the caller; NULL if there is one.  */
char *desktop_watch_trouble (DesktopWatch *watch);
