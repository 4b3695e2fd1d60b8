// SPDX-License-Identifier: GPL-2.0-or-later
// A chunk's file, ours or another program's: one zstd frame, whose bytes fit, and no byte more.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/chunk-frame.h"

#define CANARY      0xa5
#define CANARY_SIZE 64u

static gboolean
decode (const guint8 *frame, gsize frame_size, guint8 *buffer, gsize *size)
{
  gsize room = *size;
  g_autoptr (GError) error = NULL;

  memset (buffer, CANARY, room + CANARY_SIZE);
  gboolean ok = chunk_frame_decode (frame, frame_size, buffer, size, &error);
  fuzz_check_result (ok ? buffer : NULL, error);
  g_assert_cmpuint (*size, <=, room);
  for (gsize i = 0; i < CANARY_SIZE; i++)
    g_assert_cmpuint (buffer[room + i], ==, CANARY);
  return ok;
}

/* The frame is of zstd's present format, and neither a byte less nor a byte more of it is one.  */
static void
check_frame (const guint8 *frame, gsize frame_size)
{
  static const guint8 MAGIC[] = { 0x28, 0xb5, 0x2f, 0xfd };
  guint8 buffer[CHUNK_SIZE + CANARY_SIZE];
  g_autofree guint8 *longer = g_malloc0 (frame_size + 1);
  gsize size = CHUNK_SIZE;

  g_assert_cmpmem (frame, sizeof MAGIC, MAGIC, sizeof MAGIC);
  memcpy (longer, frame, frame_size);
  g_assert_false (decode (longer, frame_size + 1, buffer, &size));
  size = CHUNK_SIZE;
  g_assert_false (decode (frame, frame_size - 1, buffer, &size));
}

/* What can be had of a frame, damaged or not, is within bounds, and of a good one all.  */
static void
check_salvage (const guint8 *data, gsize data_size, const guint8 *chunk, gsize chunk_size)
{
  guint8 buffer[CHUNK_SIZE + CANARY_SIZE];
  g_autofree guint8 *frame = g_malloc (MAX (data_size, 1));
  gsize size = 0;

  if (data_size > 0)
    memcpy (frame, data, data_size);
  memset (buffer, CANARY, sizeof buffer);
  gboolean ok = chunk_frame_salvage (frame, data_size, buffer, &size);
  g_assert_cmpuint (size, <=, CHUNK_SIZE);
  for (gsize i = 0; i < CANARY_SIZE; i++)
    g_assert_cmpuint (buffer[CHUNK_SIZE + i], ==, CANARY);
  g_assert_true (ok || !chunk);
  if (chunk)
    g_assert_cmpmem (buffer, size, chunk, chunk_size);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  guint8 chunk[CHUNK_SIZE + CANARY_SIZE], again[CHUNK_SIZE + CANARY_SIZE];
  guint8 frame[CHUNK_FRAME_SIZE_MAX];
  gsize chunk_size = CHUNK_SIZE, frame_size, again_size;

  if (!decode (data, size, chunk, &chunk_size))
    {
      check_salvage (data, size, NULL, 0);
      return FALSE;
    }
  check_salvage (data, size, chunk, chunk_size);
  check_frame (data, size);
  again_size = chunk_size;
  g_assert_true (decode (data, size, again, &again_size)); // there is just room for it
  if (chunk_size > 0)
    {
      again_size = chunk_size - 1;
      g_assert_false (decode (data, size, again, &again_size));
    }
  g_assert_true (chunk_frame_encode (chunk, chunk_size, frame, &frame_size, NULL));
  g_assert_true (chunk_frame_has_checksum (frame));
  again_size = CHUNK_SIZE;
  g_assert_true (decode (frame, frame_size, again, &again_size));
  g_assert_cmpmem (chunk, chunk_size, again, again_size);
  return TRUE;
}
