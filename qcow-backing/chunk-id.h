// SPDX-License-Identifier: GPL-2.0-or-later
// A chunk's name: the SHA-256 of its 64 KiB of guest-visible disk.
#pragma once

#include <glib.h>

#define CHUNK_SIZE     65536u
#define CHUNK_ID_SIZE  32u
#define CHUNK_HEX_SIZE (2 * CHUNK_ID_SIZE + 1) // with the ending NUL

typedef struct
{
  guint8 bytes[CHUNK_ID_SIZE];
} ChunkId;

/* The id of SIZE bytes at DATA.  */
ChunkId chunk_id_of (const void *data, gsize size);

/* The id of a chunk of SIZE zero bytes, SIZE from 1 to CHUNK_SIZE.  */
ChunkId chunk_id_of_zeros (gsize size);

/* Whether SIZE bytes at DATA are all zero.  */
gboolean chunk_is_zero (const void *data, gsize size);

void chunk_id_to_hex (const ChunkId *id, char hex[CHUNK_HEX_SIZE]);
gboolean chunk_id_from_hex (const char *hex, ChunkId *id);

/* For GHashTable (its keys being ChunkId *) and for sorting.  */
guint chunk_id_hash (gconstpointer id);
gboolean chunk_id_equal (gconstpointer a, gconstpointer b);
int chunk_id_compare (gconstpointer a, gconstpointer b);
