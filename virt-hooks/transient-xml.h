// SPDX-License-Identifier: GPL-2.0-or-later
// The XML of a VM that runs once, for a purpose, made from that of a desktop.
#pragma once

#include <glib.h>

typedef struct
{
  guint64 memory_bytes; // 0: as the desktop
  const char *disk;     // a qcow2 file that is the first disk, and then no desktop's; NULL: as the
                        // desktop
  const char *password; // of the screen, which this host alone reaches (domain_screen_restrict),
                        // and which there is; NULL: as the desktop
} TransientValues;

/* The domain's XML, owned by the caller, that VALUES make of SIZE bytes at XML, which passes
   metadata_parse.  What differs from the desktop: its one serial port is a terminal that is kept
   nowhere; it has the channel of a guest agent, and a panic device that the guest can tell of a
   panic, after which it is left as it is; it resets where the firmware finds nothing to boot.  */
char *transient_xml (const char *xml, gsize size, const TransientValues *values, GError **error);
