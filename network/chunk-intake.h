// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that have come: checked and written by threads of their own, so that a disk that takes its
// time does not look like a host that does.
#pragma once

#include "qcow-backing/incoming-chunks.h"

typedef struct ChunkIntake ChunkIntake;

typedef enum
{
  CHUNK_IS_TAKEN,    // chunk_store_read finds it now
  CHUNK_IS_BAD,      // the bytes are not the chunk's
  CHUNK_NOT_WRITTEN, // they are, and could not be written
} ChunkIntakeResult;

/* What became of a frame of FRAME_SIZE bytes for chunk ID; TAG is as it was given.  In a thread of
   the intake.  ERROR is NULL for CHUNK_IS_TAKEN.  */
typedef void (*ChunkIntakeFunc) (const ChunkId *id, gsize frame_size, guint tag,
                                 ChunkIntakeResult result, const GError *error, gpointer data);

ChunkIntake *chunk_intake_new (IncomingChunks *incoming, ChunkIntakeFunc func, gpointer data,
                               GError **error);

/* Waits for the frames that are there.  */
void chunk_intake_free (ChunkIntake *intake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkIntake, chunk_intake_free)

/* Take FRAME, of at most CHUNK_FRAME_SIZE_MAX bytes, which somebody says is chunk ID.  It is
   copied.  */
void chunk_intake_add (ChunkIntake *intake, const ChunkId *id, const guint8 *frame, gsize size,
                       guint tag);

/* Bytes that wait.  */
gsize chunk_intake_pending (const ChunkIntake *intake);
