// SPDX-License-Identifier: GPL-2.0-or-later
// A token bucket: how much may happen a second, and how much at once.

#include "token-bucket.h"

#define MILLION 1000000

void
token_bucket_init (TokenBucket *bucket, guint64 rate, guint64 burst, gint64 now_us)
{
  bucket->rate = rate;
  bucket->burst = burst;
  bucket->level = (gint64)burst * MILLION;
  bucket->at_us = now_us;
}

static void
fill (TokenBucket *bucket, gint64 now_us)
{
  gint64 full = (gint64)bucket->burst * MILLION;
  gint64 passed_us = MAX (now_us - bucket->at_us, 0);

  bucket->at_us = now_us;
  // The time that fills it whole: beyond that the product could be too large.
  if (passed_us > (full - bucket->level) / (gint64)bucket->rate)
    bucket->level = full;
  else
    bucket->level += passed_us * (gint64)bucket->rate;
}

gint64
token_bucket_take (TokenBucket *bucket, guint64 count, gint64 now_us)
{
  fill (bucket, now_us);
  if (bucket->level <= 0)
    return -bucket->level / (gint64)bucket->rate + 1;
  bucket->level -= (gint64)count * MILLION;
  return 0;
}

gboolean
token_bucket_is_full (TokenBucket *bucket, gint64 now_us)
{
  fill (bucket, now_us);
  return bucket->level == (gint64)bucket->burst * MILLION;
}
