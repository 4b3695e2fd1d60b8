// SPDX-License-Identifier: GPL-2.0-or-later
// A chunk as the store keeps it: one zstd frame, which any program may have written.
//
// Format: RFC 8878.

#include "chunk-frame.h"

#include <string.h>

#include "fail.h"

// For inputs of 64 KiB level 4 is as fast as casync's default 3, and smaller.
#define COMPRESSION_LEVEL 4

/* The frame's header, 3.1.1: the magic number, then the descriptor.  */
static const guint8 MAGIC[] = { 0x28, 0xb5, 0x2f, 0xfd };
#define DESCRIPTOR          sizeof MAGIC
#define DESCRIPTOR_CHECKSUM 0x04 // the frame ends in a checksum of its content

static void
free_encoder (gpointer context)
{
  ZSTD_freeCCtx (context);
}

/* One compression context a thread, made when first needed.  */
static ZSTD_CCtx *
thread_encoder (void)
{
  static GPrivate CONTEXT = G_PRIVATE_INIT (free_encoder);
  ZSTD_CCtx *context = g_private_get (&CONTEXT);

  if (!context)
    {
      context = ZSTD_createCCtx ();
      ZSTD_CCtx_setParameter (context, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
      ZSTD_CCtx_setParameter (context, ZSTD_c_checksumFlag, 1);
      g_private_set (&CONTEXT, context);
    }
  return context;
}

static void
free_decoder (gpointer context)
{
  ZSTD_freeDCtx (context);
}

static ZSTD_DCtx *
thread_decoder (void)
{
  static GPrivate CONTEXT = G_PRIVATE_INIT (free_decoder);
  ZSTD_DCtx *context = g_private_get (&CONTEXT);

  if (!context)
    {
      context = ZSTD_createDCtx ();
      g_private_set (&CONTEXT, context);
    }
  return context;
}

gboolean
chunk_frame_encode (const void *data, gsize size, guint8 frame[CHUNK_FRAME_SIZE_MAX],
                    gsize *frame_size, GError **error)
{
  *frame_size = ZSTD_compress2 (thread_encoder (), frame, CHUNK_FRAME_SIZE_MAX, data, size);
  return !ZSTD_isError (*frame_size)
         || fail (error, "compress a chunk: %s", ZSTD_getErrorName (*frame_size));
}

/* The library also reads skippable frames and those of older formats, which have no checksum where
   this one has it.  */
static gboolean
is_frame (const guint8 *frame, gsize frame_size)
{
  return frame_size > DESCRIPTOR && memcmp (frame, MAGIC, sizeof MAGIC) == 0;
}

gboolean
chunk_frame_decode (const guint8 *frame, gsize frame_size, guint8 *buffer, gsize *size,
                    GError **error)
{
  // A second frame would hide behind the checksum of the first.
  if (!is_frame (frame, frame_size)
      || ZSTD_findFrameCompressedSize (frame, frame_size) != frame_size)
    return fail (error, "it is not one zstd frame");
  gsize n = ZSTD_decompressDCtx (thread_decoder (), buffer, *size, frame, frame_size);
  if (ZSTD_isError (n))
    return fail (error, "%s", ZSTD_getErrorName (n));
  *size = n;
  return TRUE;
}

gboolean
chunk_frame_salvage (guint8 *frame, gsize frame_size, guint8 buffer[CHUNK_SIZE], gsize *size)
{
  if (!is_frame (frame, frame_size))
    return FALSE;
  frame[DESCRIPTOR] &= (guint8)~DESCRIPTOR_CHECKSUM;
  gsize first_size = ZSTD_findFrameCompressedSize (frame, frame_size);
  if (ZSTD_isError (first_size))
    return FALSE;
  gsize n = ZSTD_decompressDCtx (thread_decoder (), buffer, CHUNK_SIZE, frame, first_size);
  if (ZSTD_isError (n))
    return FALSE;
  *size = n;
  return TRUE;
}

gboolean
chunk_frame_has_checksum (const guint8 *frame)
{
  return frame[DESCRIPTOR] & DESCRIPTOR_CHECKSUM;
}
