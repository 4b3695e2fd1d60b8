// SPDX-License-Identifier: GPL-2.0-or-later
// A token bucket: how much may happen a second, and how much at once.
#pragma once

#include <glib.h>

typedef struct
{
  guint64 rate;  // tokens a second, from 1
  guint64 burst; // tokens that a bucket holds, from 1
  gint64 level;  // in millionths of a token; below 0: was taken in advance
  gint64 at_us;  // when it was so
} TokenBucket;

/* A full bucket at NOW_US, a monotonic time.  RATE times a day's microseconds fits in 63 bits.  */
void token_bucket_init (TokenBucket *bucket, guint64 rate, guint64 burst, gint64 now_us);

/* Take COUNT tokens if there is any, the rest in advance, and return 0; else take none and return
   the microseconds until there is one.  COUNT is at most 2^40.  */
gint64 token_bucket_take (TokenBucket *bucket, guint64 count, gint64 now_us);

/* Whether nobody has taken anything that has not come back.  */
gboolean token_bucket_is_full (TokenBucket *bucket, gint64 now_us);
