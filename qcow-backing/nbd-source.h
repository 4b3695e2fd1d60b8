// SPDX-License-Identifier: GPL-2.0-or-later
// A disk image file as the guest would see it, read through qemu-nbd over several connections.
#pragma once

#include "disk-image.h"
#include "progress.h"

typedef struct NbdSource NbdSource;

/* Serve CHAIN (disk_image_chain) with a qemu-nbd of our own, run as IDENTITY, and connect
   CONNECTIONS times.  From then on no file is opened any more, so the caller may drop its
   privileges.  */
NbdSource *nbd_source_open (GPtrArray *chain, guint connections, const ChildIdentity *identity,
                            GError **error);
void nbd_source_free (NbdSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NbdSource, nbd_source_free)

guint64 nbd_source_size (const NbdSource *source);
guint nbd_source_connections (const NbdSource *source);

/* Where the disk has data: chunks that are not known to be zero.  */
typedef struct
{
  gsize first, count; // chunks
} ChunkRange;

/* The ranges, ascending, apart from each other, none longer than COUNT_MAX chunks.  An array of
   ChunkRange.  */
GArray *nbd_source_map (NbdSource *source, gsize count_max, GError **error);

/* Read LENGTH bytes at OFFSET into BUFFER over CONNECTION, which one thread uses at a time.  */
gboolean nbd_source_read (NbdSource *source, guint connection, guint64 offset, gsize length,
                          guint8 *buffer, GError **error);
