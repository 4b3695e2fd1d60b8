// SPDX-License-Identifier: GPL-2.0-or-later
// Connections of the site's server that wait: for a chunk, for their share of the upload limit.
//
// libmicrohttpd lets a connection be suspended, so that no thread waits with it.  A thread of the
// clock's resumes each at its time, whatever else resumes it before.
#pragma once

#include <glib.h>

struct MHD_Connection;
typedef struct SiteClock SiteClock;

/* What a connection waits with; part of a request.  Guarded by the clock.  */
typedef struct
{
  struct MHD_Connection *connection;
  GList link;      // of the clock's list, while it is suspended
  gint64 until_us; // then: when to resume it
  gboolean is_suspended;
  gboolean is_woken; // since it last asked to be suspended
} SiteWait;

/* A clock that also calls EVERY_SECOND with DATA, until it is stopped.  Reference counted.  */
SiteClock *site_clock_new (void (*every_second) (gpointer data), gpointer data);
SiteClock *site_clock_ref (SiteClock *clock);
void site_clock_unref (SiteClock *clock);

/* Resume all, let none be suspended any more, and end the thread.  Before MHD_stop_daemon.  */
void site_clock_stop (SiteClock *clock);

void site_wait_init (SiteWait *wait, struct MHD_Connection *connection);

/* Suspend WAIT's connection for at most TIME_US microseconds.  In a callback of libmicrohttpd for
   that connection alone.  FALSE where it was woken meanwhile: look again.  */
gboolean site_clock_suspend (SiteClock *clock, SiteWait *wait, gint64 time_us);

/* Resume WAIT's connection, or have it look again before it is suspended the next time.  From any
   thread.  */
void site_clock_wake (SiteClock *clock, SiteWait *wait);

/* Whether it was stopped.  */
gboolean site_clock_is_stopped (SiteClock *clock);
