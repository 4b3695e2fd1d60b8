// SPDX-License-Identifier: GPL-2.0-or-later
// The chunk store: a directory of zstd files in casync's layout, dca9/dca99f3c….cacnk.
//
// A name in the store means that the chunk's bytes are whole and on the disk: new chunks are
// written to a staging directory, made durable by one syncfs, and only then renamed into place.  So
// whoever finds a name may rely on it, also after a power cut.
//
// What was fetched from another host a moment ago lies in .incoming, whole but perhaps not on the
// disk yet (incoming-chunks.h): it can be read as well.
#pragma once

#include <glib.h>

#include "chunk-id.h"

typedef struct ChunkStore ChunkStore;

typedef enum
{
  CHUNK_STORE_ERROR_MISSING,    // the chunk is not in the store
  CHUNK_STORE_ERROR_DAMAGED,    // it is there, and is not what its name says
  CHUNK_STORE_ERROR_UNREADABLE, // the disk does not give its bytes, perhaps only now
} ChunkStoreError;
#define CHUNK_STORE_ERROR (chunk_store_error_quark ())
GQuark chunk_store_error_quark (void);

/* Open the store in directory PATH, which must exist.  Safe to use from several threads.  */
ChunkStore *chunk_store_open (const char *path, GError **error);
void chunk_store_free (ChunkStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkStore, chunk_store_free)

/* The store's directory, owned by the store, for calls of the *at family.  */
int chunk_store_fd (const ChunkStore *store);
const char *chunk_store_path (const ChunkStore *store);

/* A chunk's file in the store's directory: "dca9/dca99f3c….cacnk".  */
#define CHUNK_FILE_SIZE (4 + 1 + 2 * CHUNK_ID_SIZE + sizeof (".cacnk"))
void chunk_store_file (const ChunkId *id, char file[CHUNK_FILE_SIZE]);

/* Where chunks lie that are not in the store yet, in the store's directory.  */
#define INCOMING_DIRECTORY ".incoming"

/* Whether chunk ID can be read.  */
gboolean chunk_store_has (ChunkStore *store, const ChunkId *id);

/* Whether chunk ID has its name in the store, so that what refers to it may be written.  */
gboolean chunk_store_keeps (ChunkStore *store, const ChunkId *id);

/* The first ROOM bytes of FILE, a path in the store's directory, into FRAME as they are; their
   number, or -1 with errno set.  Waits for nobody, whatever FILE is.  */
gssize chunk_store_read_file (ChunkStore *store, const char *file, guint8 *frame, gsize room);

/* The same of the file of chunk ID, wherever it lies.  */
gssize chunk_store_read_frame (ChunkStore *store, const ChunkId *id, guint8 *frame, gsize room);

typedef enum
{
  CHUNK_READ_TRUST_CHECKSUM, // the frame's own checksum is enough where it has one
  CHUNK_READ_HASH,           // always compare the SHA-256 with the name
} ChunkReadCheck;

/* Read chunk ID, which is SIZE bytes long (at most CHUNK_SIZE), into BUFFER.  Bytes that are not
   the chunk's are never returned as such.  Fails with CHUNK_STORE_ERROR or G_IO_ERROR.  */
gboolean chunk_store_read (ChunkStore *store, const ChunkId *id, ChunkReadCheck check,
                           guint8 *buffer, gsize size, GError **error);

/* Whether chunk ID, of whatever size, is what its name says; fails as chunk_store_read does.  */
gboolean chunk_store_check (ChunkStore *store, const ChunkId *id, GError **error);

/* Hold the store for adding to it, or for reading it as it is (shared, any number at a time), or
   for collecting and repairing (exclusive); waits, but for TRY_ADD, which fails with
   G_IO_ERROR_WOULD_BLOCK.  The lock goes when the returned descriptor is closed.  -1 on error.  */
typedef enum
{
  CHUNK_STORE_LOCK_ADD,
  CHUNK_STORE_LOCK_TRY_ADD,
  CHUNK_STORE_LOCK_COLLECT,
} ChunkStoreLock;
int chunk_store_lock (ChunkStore *store, ChunkStoreLock mode, GError **error);

/* The id in a chunk's file name, "dca99f3c….cacnk".  */
gboolean chunk_store_parse_name (const char *name, ChunkId *id);

/* Call FUNC for each chunk in the store, in no order, until it returns FALSE.  */
typedef gboolean (*ChunkStoreFunc) (const ChunkId *id, gpointer data, GError **error);
gboolean chunk_store_foreach (ChunkStore *store, ChunkStoreFunc func, gpointer data,
                              GError **error);

/* Remove chunk ID, and report its size on the disk.  The caller holds CHUNK_STORE_LOCK_COLLECT.  */
gboolean chunk_store_remove (ChunkStore *store, const ChunkId *id, guint64 *freed_bytes,
                             GError **error);
