// SPDX-License-Identifier: GPL-2.0-or-later
// An index: the ordered chunk ids of one version, in casync's .caibx format.
//
// Format: casync's src/caformat.h, CaFormatIndex and CaFormatTable, with chunk sizes minimum,
// average and maximum all 64 KiB and SHA-256.  All integers are little-endian.
#pragma once

#include <glib.h>

#include "chunk-id.h"

/* The largest disk that can be published.  Its index has 64 Mi entries, 2.5 GiB.  */
#define INDEX_VIRTUAL_SIZE_MAX (G_GUINT64_CONSTANT (4) << 40)

typedef struct Index Index;

/* Map the index at PATH and check its form.  While it is open it is locked (flock, shared), so that
   gc leaves it and its chunks alone.  Reference counted; a reference may be used from any thread.
 */
Index *index_open (const char *path, GError **error);
Index *index_ref (Index *index);
void index_unref (Index *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Index, index_unref)

/* An index over DATA, which is index_build's result or comes from elsewhere.  */
Index *index_new_from_bytes (GBytes *data, GError **error);

/* The file's bytes, owned by INDEX.  */
const guint8 *index_data (const Index *index, gsize *size);

guint64 index_virtual_size (const Index *index);
gsize index_n_chunks (const Index *index);

/* The id and size in bytes of chunk I, I being below index_n_chunks; only the last may be shorter
   than CHUNK_SIZE.  Owned by INDEX.  */
const ChunkId *index_chunk_id (const Index *index, gsize i);
gsize index_chunk_size (const Index *index, gsize i);
gboolean index_chunk_is_zero (const Index *index, gsize i);

/* Bytes of the disk that are in chunks that are not zero.  */
guint64 index_data_bytes (const Index *index);

/* The index file for a disk of VIRTUAL_SIZE bytes, from 1 to INDEX_VIRTUAL_SIZE_MAX, with
   ceil (VIRTUAL_SIZE / CHUNK_SIZE) ids at IDS.  */
GBytes *index_build (guint64 virtual_size, const ChunkId *ids);
