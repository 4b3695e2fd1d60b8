// SPDX-License-Identifier: GPL-2.0-or-later
// A disk image file as the guest would see it, read through qemu-nbd over several connections.
#pragma once

#include "disk-image.h"
#include "progress.h"

typedef struct NbdSource NbdSource;

/* Serve CHAIN (disk_image_chain, disk_image_overlay) with a qemu-nbd of our own, run as IDENTITY,
   and connect CONNECTIONS times.  From then on no file is opened any more, so the caller may drop
   its privileges.  */
NbdSource *nbd_source_open (GPtrArray *chain, guint connections, const ChildIdentity *identity,
                            GError **error);
void nbd_source_free (NbdSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NbdSource, nbd_source_free)

guint64 nbd_source_size (const NbdSource *source);
guint nbd_source_connections (const NbdSource *source);

/* What a part of the disk is.  */
typedef enum
{
  NBD_EXTENT_BELOW, // the chain does not hold it
  NBD_EXTENT_ZERO,
  NBD_EXTENT_DATA, // perhaps zeros too
} NbdExtentKind;

typedef struct
{
  guint64 offset, length; // bytes
  NbdExtentKind kind;
} NbdExtent;

/* All of the disk, from its start to its end, without gaps; an array of NbdExtent.  What the chain
   does not hold is NBD_EXTENT_BELOW, and reads as zeros.  */
GArray *nbd_source_map (NbdSource *source, GError **error);

/* Begin to read LENGTH bytes at OFFSET into BUFFER over CONNECTION, which one thread uses at a
   time. Until nbd_source_wait returns, BUFFER has to stay, and what is in it is not known.  */
gboolean nbd_source_begin_read (NbdSource *source, guint connection, guint64 offset, gsize length,
                                guint8 *buffer, GError **error);

/* Wait until all is read that was begun over CONNECTION.  After an error of either nothing is
   written to a buffer any more, and CONNECTION is not to be used again.  */
gboolean nbd_source_wait (NbdSource *source, guint connection, GError **error);
