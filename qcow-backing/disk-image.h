// SPDX-License-Identifier: GPL-2.0-or-later
// Disk image files as an admin has them: which format, which files below, and whether it is safe to
// open.
//
// Nothing is opened by QEMU before its header was read here: a header can name any file or URL as
// what lies below, and QEMU would open it.  QEMU is then given every layer by name and format, and
// follows nothing by itself.
#pragma once

#include <glib.h>

#include "child-identity.h"

typedef struct
{
  char *path;         // absolute, without symbolic links
  const char *format; // as QEMU names its driver
} DiskImageLayer;

/* The layers of the disk image at PATH, the top one first; an array of DiskImageLayer *.
   FORMAT is "qcow2", "raw", "vmdk", "vhdx", "vdi" or "vpc"; NULL goes by PATH's suffix.  A layer's
   backing file must lie in the directory of PATH or of BACKING_DIRS (NULL-terminated, or NULL).
   Refuses a header of another format, external data files, protocols, encryption, loops, and damage
   that qemu-img check, run as IDENTITY, finds.  */
GPtrArray *disk_image_chain (const char *path, const char *format, const char *const *backing_dirs,
                             const ChildIdentity *identity, GError **error);

/* The overlay at PATH, a qcow2 whose header names BACKING as what lies below it: a chain of this
   one layer, which QEMU opens without what is below.  Refuses any other file, and what
   disk_image_chain refuses.  */
GPtrArray *disk_image_overlay (const char *path, const char *backing, const ChildIdentity *identity,
                               GError **error);

/* The part of that which looks at the header alone.  */
gboolean disk_image_check_overlay (const char *path, const char *backing, GError **error);

/* Overlays, qcow2, at PATHS (of char *), each over the next, as a chain which QEMU opens without
   what is below the last; whatever their headers name is not looked at.  Refuses what
   disk_image_chain refuses.  */
GPtrArray *disk_image_overlays (const GPtrArray *paths, const ChildIdentity *identity,
                                GError **error);

/* What to give QEMU to open CHAIN read-only: "json:{…}".  Owned by the caller.  */
char *disk_image_blockdev (GPtrArray *chain);
