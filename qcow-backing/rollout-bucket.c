// SPDX-License-Identifier: GPL-2.0-or-later
// Which hosts a staged rollout reaches first.

#include "rollout-bucket.h"

#include <string.h>

#include "chunk-id.h"

#define BUCKETS 100

guint
rollout_bucket (const char *image, guint version, const char *host)
{
  g_autofree char *text = g_strdup_printf ("%s@%u %s", image, version, host);
  ChunkId hash = chunk_id_of (text, strlen (text));
  guint64 number;

  memcpy (&number, hash.bytes, sizeof number);
  return (guint)(GUINT64_FROM_BE (number) % BUCKETS);
}
