// SPDX-License-Identifier: GPL-2.0-or-later
// A site of a test's own, in a temporary directory, whose versions and chunks are made by hand.
#pragma once

#include "qcow-backing/image-library.h"

typedef struct
{
  char *directory; // its state
  Config *config;
  ImageLibrary *library;
  SigningKey *key;
} LibraryFixture;

void library_fixture_set_up (LibraryFixture *f);
void library_fixture_tear_down (LibraryFixture *f);

/* The id of a chunk of bytes BYTE, and that chunk into the store, or out of it.  */
ChunkId library_fixture_chunk_id (guint8 byte);
void library_fixture_add_chunk (const LibraryFixture *f, guint8 byte);
void library_fixture_remove_chunk (const LibraryFixture *f, guint8 byte);

/* A version whose chunk I is full of BYTES[I]; neither these nor its index's chunks are stored.  */
void library_fixture_add_version (const LibraryFixture *f, const char *image, guint version,
                                  const guint8 *bytes, gsize n);

/* Channel "production" of IMAGE names VERSION.  */
void library_fixture_set_channel (const LibraryFixture *f, const char *image, guint64 serial,
                                  guint version);
