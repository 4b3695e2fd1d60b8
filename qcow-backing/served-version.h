// SPDX-License-Identifier: GPL-2.0-or-later
// The versions that are being served: opened and verified once, shared by all who read them.
#pragma once

#include "chunk-cache.h"
#include "config.h"

typedef struct ServedVersions ServedVersions;
typedef struct ServedVersion ServedVersion;

/* Serve the images in CONFIG's state directory, which need not exist yet, through a chunk cache of
   CONFIG's size.  Takes CONFIG over.  Safe to use from several threads.  */
ServedVersions *served_versions_new (Config *config, GError **error);
void served_versions_free (ServedVersions *versions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ServedVersions, served_versions_free)

/* Have FUNC called for each chunk that is damaged and that a read fails with.
   It is called from any reading thread, which waits for it.  To be set before anything is opened.
 */
typedef void (*DamagedChunkFunc) (const ChunkId *id, gpointer data);
void served_versions_on_damage (ServedVersions *versions, DamagedChunkFunc func, gpointer data);

/* Have FUNC called for each chunk that is read and is missing, or that IS_DAMAGED, at POSITION, in
   chunks, of REF; it returns when the chunk can be read, or fails with what the reader is to be
   told.  It is called from any reading thread, which waits for it.  To be set before anything is
   opened.  */
typedef gboolean (*MissingChunkFunc) (const ChunkId *id, const char *ref, gsize position,
                                      gboolean is_damaged, gpointer data, GError **error);
void served_versions_on_missing (ServedVersions *versions, MissingChunkFunc func, gpointer data);

/* "DEPARTMENT/NAME@VERSION" of everything that there is now, sorted by name and number.  */
GPtrArray *served_versions_list (ServedVersions *versions, GError **error);

/* Open REF, "DEPARTMENT/NAME@VERSION".  The first to open it verifies its record and index, as they
   are on the disk by then; while it is open, gc leaves it.  */
ServedVersion *served_version_open (ServedVersions *versions, const char *ref, GError **error);
void served_version_close (ServedVersion *version);

guint64 served_version_size (const ServedVersion *version); // bytes of the virtual disk
const char *served_version_note (const ServedVersion *version);

/* Read COUNT bytes at OFFSET, which are within the disk.  An error names version, offset and chunk,
   and says what to do; BUFFER's contents are then undefined.  */
gboolean served_version_read (ServedVersion *version, guint64 offset, gsize count, guint8 *buffer,
                              GError **error);

/* Begin to load the chunk that begins at OFFSET, or after it, since somebody will ask for it soon;
   only as a favour, and without waiting for it.  */
void served_version_read_ahead (ServedVersion *version, guint64 offset);

/* Load what COUNT bytes at OFFSET consist of into the cache.  */
gboolean served_version_prefetch (ServedVersion *version, guint64 offset, guint64 count,
                                  GError **error);

/* Where the run of only zero or only other chunks around OFFSET ends: an offset above OFFSET and at
   most END.  */
guint64 served_version_extent (const ServedVersion *version, guint64 offset, guint64 end,
                               gboolean *is_zero);
