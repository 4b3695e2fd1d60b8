// SPDX-License-Identifier: GPL-2.0-or-later
// Rendezvous hashing: which host is home to a chunk.

#include "rendezvous.h"

#include <string.h>

static guint64
fnv1a (const char *text)
{
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  for (const char *c = text; *c; c++)
    hash = (hash ^ (guint8)*c) * G_GUINT64_CONSTANT (0x100000001b3);
  return hash;
}

static guint64
finalise (guint64 x)
{
  x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return x ^ (x >> 31);
}

guint64
rendezvous_weight (const ChunkId *id, const char *host)
{
  guint64 head;

  memcpy (&head, id, sizeof head);
  return finalise (GUINT64_FROM_LE (head) ^ fnv1a (host));
}
