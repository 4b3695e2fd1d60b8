// SPDX-License-Identifier: GPL-2.0-or-later
// Damaged chunks: mended where their bytes can be had, else set aside in STORE/.damaged.
//
// A chunk that is set aside is missing, and a missing chunk comes back with the next publish of the
// same data, which passes over the chunks that have a file.  What is set aside is kept until a good
// chunk is in its place or no version needs it: a disk that was only away for a while gives it
// back.
#pragma once

#include "chunk-staging.h"

#define DAMAGED_DIRECTORY ".damaged"

typedef enum
{
  CHUNK_IS_WHOLE,     // there is nothing wrong with it
  CHUNK_IS_REBUILT,   // its bytes were found; good once the staging is committed
  CHUNK_IS_SET_ASIDE, // it was damaged, and is now missing
  CHUNK_IS_MISSING,   // it was missing before
} ChunkFate;

/* Find the bytes of chunk ID, which is *SIZE long, or with 0 as long as it happens to be, and put
   its size into *SIZE: in its file whatever is wrong with the frame, in what was set aside before,
   and if it is all zeros in nothing.  What is found has the right SHA-256.  */
gboolean damaged_chunk_salvage (ChunkStore *store, const ChunkId *id, guint8 buffer[CHUNK_SIZE],
                                gsize *size);

/* Make chunk ID anew of the SIZE bytes at DATA, in place of what may be there; it is good once
 *STAGING, which is made where it is NULL, is committed.  The caller holds a lock of the store.  */
gboolean damaged_chunk_rebuild (ChunkStore *store, const ChunkId *id, const guint8 *data,
                                gsize size, ChunkStaging **staging, GError **error);

/* Read chunk ID of STORE, compare its SHA-256, and if that is wrong rebuild it or else set it
   aside. SIZE is the chunk's, 0 if it is not known; *STAGING is as for damaged_chunk_rebuild.  A
   chunk that the disk does not give (CHUNK_STORE_ERROR_UNREADABLE) is set aside only if
   TAKE_UNREADABLE, else that is the error.  The caller holds a lock of the store.  */
gboolean damaged_chunk_mend (ChunkStore *store, const ChunkId *id, gsize size,
                             gboolean take_unreadable, ChunkStaging **staging, ChunkFate *fate,
                             GError **error);

/* Call FUNC for each chunk that is set aside.  None is no error.  */
gboolean damaged_chunks_foreach (ChunkStore *store, ChunkStoreFunc func, gpointer data,
                                 GError **error);

/* How many chunks are set aside and no good one has come in their place.  */
gboolean damaged_chunks_count (ChunkStore *store, guint *count, GError **error);

/* Remove chunk ID from what is set aside.  */
gboolean damaged_chunk_forget (ChunkStore *store, const ChunkId *id, GError **error);
