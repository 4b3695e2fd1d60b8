// SPDX-License-Identifier: GPL-2.0-or-later
// Loaded before a program: its clock is off by $CLOCK_OFF seconds, the monotonic one is not.
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t
offset (void)
{
  const char *text = getenv ("CLOCK_OFF");

  return text ? atol (text) : 0;
}

int
clock_gettime (clockid_t clock, struct timespec *now)
{
  int status = (int)syscall (SYS_clock_gettime, clock, now);

  if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    now->tv_sec += offset ();
  return status;
}

int
gettimeofday (struct timeval *restrict now, void *restrict zone)
{
  struct timespec precise;
  int status = clock_gettime (CLOCK_REALTIME, &precise);

  *now = (struct timeval){ precise.tv_sec, precise.tv_nsec / 1000 };
  return status;
}

time_t
time (time_t *now)
{
  struct timespec precise;

  clock_gettime (CLOCK_REALTIME, &precise);
  if (now)
    *now = precise.tv_sec;
  return precise.tv_sec;
}
