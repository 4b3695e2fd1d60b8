// SPDX-License-Identifier: GPL-2.0-or-later
// The version record: what one version of an image is, to its last byte.
//
//   { "format": "gild-version-1", "image": "accounting/desktop", "version": 7, "parent": 6 or null,
//     "virtual_size": bytes, "chunk_size": 65536,
//     "index": { "size": bytes, "sha256": hex, "chunks": [hex, …] },
//     "data_size": bytes, "new_size": bytes, "created": "2026-11-20T02:00:00Z", "note": "…" }
//
// index.chunks are the chunks of the index file itself, cut every 64 KiB.  data_size is what is not
// zero, new_size what no earlier chunk of the store had.  Unknown members are ignored.
#pragma once

#include <glib.h>

#include "chunk-id.h"

#define RECORD_NOTE_MAX 1000 // bytes

typedef struct
{
  char *image;
  guint version;
  guint parent; // 0: none
  guint64 virtual_size;
  guint64 index_size;
  ChunkId index_sha256;
  GArray *index_chunks; // of ChunkId
  guint64 data_size;
  guint64 new_size;
  char *created; // ISO 8601, UTC
  char *note;    // "" where there is none
} VersionRecord;

VersionRecord *version_record_new (void);
void version_record_free (VersionRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VersionRecord, version_record_free)

char *version_record_to_json (const VersionRecord *record);

/* Every member is checked, also against the others; a record that this returns is sound in itself.
 */
VersionRecord *version_record_from_json (const char *text, gsize size, GError **error);
