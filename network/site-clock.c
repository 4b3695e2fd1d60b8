// SPDX-License-Identifier: GPL-2.0-or-later
// Connections of the site's server that wait: for a chunk, for their share of the upload limit.

#include "site-clock.h"

#include <microhttpd.h>

struct SiteClock
{
  int references; // atomic; the thread sanitizer does not see into a gatomicrefcount
  void (*every_second) (gpointer data);
  gpointer data;
  GThread *thread;
  GMutex lock; // guards all below, and each SiteWait; libmicrohttpd's own are taken below it
  GCond changed;
  GQueue waits; // of SiteWait, who waits longest first
  gboolean is_stopped;
};

/* Resume WAIT.  The lock is held.  */
static void
resume (SiteClock *clock, SiteWait *wait)
{
  g_queue_unlink (&clock->waits, &wait->link);
  wait->is_suspended = FALSE;
  wait->is_woken = FALSE;
  MHD_resume_connection (wait->connection);
}

/* Resume those whose time has come, or ALL; the time when the next one's comes, at most NEXT_US. */
static gint64
resume_waits (SiteClock *clock, gint64 now_us, gboolean all, gint64 next_us)
{
  GList *next;

  for (GList *link = clock->waits.head; link; link = next)
    {
      SiteWait *wait = link->data;
      next = link->next;
      if (all || wait->until_us <= now_us)
        resume (clock, wait);
      else
        next_us = MIN (next_us, wait->until_us);
    }
  return next_us;
}

static gpointer
run (gpointer data)
{
  SiteClock *clock = data;
  gint64 second_us = g_get_monotonic_time () + G_USEC_PER_SEC;

  g_mutex_lock (&clock->lock);
  while (!clock->is_stopped)
    {
      gint64 now_us = g_get_monotonic_time ();
      if (now_us >= second_us)
        {
          second_us = now_us + G_USEC_PER_SEC;
          g_mutex_unlock (&clock->lock);
          clock->every_second (clock->data);
          g_mutex_lock (&clock->lock);
        }
      gint64 next_us = resume_waits (clock, now_us, FALSE, second_us);
      g_cond_wait_until (&clock->changed, &clock->lock, next_us);
    }
  g_mutex_unlock (&clock->lock);
  return NULL;
}

SiteClock *
site_clock_new (void (*every_second) (gpointer data), gpointer data)
{
  SiteClock *clock = g_new0 (SiteClock, 1);

  clock->references = 1;
  clock->every_second = every_second;
  clock->data = data;
  g_mutex_init (&clock->lock);
  g_cond_init (&clock->changed);
  g_queue_init (&clock->waits);
  clock->thread = g_thread_new ("site-clock", run, clock);
  return clock;
}

SiteClock *
site_clock_ref (SiteClock *clock)
{
  g_atomic_int_inc (&clock->references);
  return clock;
}

void
site_clock_unref (SiteClock *clock)
{
  if (!g_atomic_int_dec_and_test (&clock->references))
    return;
  g_mutex_clear (&clock->lock);
  g_cond_clear (&clock->changed);
  g_free (clock);
}

void
site_clock_stop (SiteClock *clock)
{
  g_mutex_lock (&clock->lock);
  clock->is_stopped = TRUE;
  resume_waits (clock, 0, TRUE, 0);
  g_cond_signal (&clock->changed);
  g_mutex_unlock (&clock->lock);
  g_clear_pointer (&clock->thread, g_thread_join);
}

void
site_wait_init (SiteWait *wait, struct MHD_Connection *connection)
{
  wait->connection = connection;
  wait->link = (GList){ wait, NULL, NULL };
  wait->is_suspended = FALSE;
  wait->is_woken = FALSE;
}

gboolean
site_clock_suspend (SiteClock *clock, SiteWait *wait, gint64 time_us)
{
  g_mutex_lock (&clock->lock);
  gboolean may = !wait->is_woken && !clock->is_stopped;
  wait->is_woken = FALSE;
  if (may)
    {
      wait->until_us = g_get_monotonic_time () + time_us;
      wait->is_suspended = TRUE;
      g_queue_push_tail_link (&clock->waits, &wait->link);
      MHD_suspend_connection (wait->connection);
      g_cond_signal (&clock->changed);
    }
  g_mutex_unlock (&clock->lock);
  return may;
}

void
site_clock_wake (SiteClock *clock, SiteWait *wait)
{
  g_mutex_lock (&clock->lock);
  wait->is_woken = TRUE;
  if (wait->is_suspended)
    resume (clock, wait);
  g_mutex_unlock (&clock->lock);
}

gboolean
site_clock_is_stopped (SiteClock *clock)
{
  g_mutex_lock (&clock->lock);
  gboolean is_stopped = clock->is_stopped;
  g_mutex_unlock (&clock->lock);
  return is_stopped;
}
