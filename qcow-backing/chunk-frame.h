// SPDX-License-Identifier: GPL-2.0-or-later
// A chunk as the store keeps it: one zstd frame, which any program may have written.
#pragma once

#include <zstd.h>

#include "chunk-id.h"

/* The most that a chunk can be compressed.  */
#define CHUNK_FRAME_SIZE_MAX ZSTD_COMPRESSBOUND (CHUNK_SIZE)

/* Compress SIZE bytes at DATA, at most CHUNK_SIZE, into FRAME, with a checksum; its size becomes
 *FRAME_SIZE.  */
gboolean chunk_frame_encode (const void *data, gsize size, guint8 frame[CHUNK_FRAME_SIZE_MAX],
                             gsize *frame_size, GError **error);

/* Decompress the FRAME_SIZE bytes at FRAME into BUFFER, which has room for *SIZE bytes; *SIZE
   becomes the chunk's size.  Fails unless FRAME is one zstd frame and nothing else.  Whether the
   bytes are the chunk's, only its id says.  */
gboolean chunk_frame_decode (const guint8 *frame, gsize frame_size, guint8 *buffer, gsize *size,
                             GError **error);

/* Decompress the first frame in the FRAME_SIZE bytes at FRAME, which this changes, into BUFFER,
   without asking its checksum, nor what stands after it; the chunk's size becomes *SIZE.  Only the
   chunk's id says whether the bytes are the chunk's.  */
gboolean chunk_frame_salvage (guint8 *frame, gsize frame_size, guint8 buffer[CHUNK_SIZE],
                              gsize *size);

/* Whether FRAME, which chunk_frame_decode took, has a checksum of its content.  */
gboolean chunk_frame_has_checksum (const guint8 *frame);
