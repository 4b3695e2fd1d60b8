// SPDX-License-Identifier: GPL-2.0-or-later
// What this host completes by itself, and when.
#pragma once

#include "host-list.h"
#include "qcow-backing/image-library.h"

typedef struct
{
  char *image;
  guint version;
  gboolean is_for_others; // this host keeps it whole as a replica
} PrefetchChoice;

/* The versions to be complete, of PrefetchChoice *, owned by the caller: those of the images that
   it is a replica of, at any time; and when the configuration lets it, those that the channels name
   which its desktops use, and those that rollouts are to bring them.  None if no other host is
   there to fetch from.  */
GPtrArray *prefetch_choose (const Config *config, const ImageLibrary *library, HostList *list);

/* Whether CHOICE may be fetched now, by the configuration and the clock.  */
gboolean prefetch_is_time (const Config *config, const PrefetchChoice *choice);

/* Bytes a second that may be fetched now without being asked for; 0: no limit.  */
guint64 prefetch_limit (const Config *config);

/* Whether the store has room for BYTES of the guest's, which may not compress, within [store]
   limit=. That is for hosts that keep nothing for others.  */
gboolean prefetch_has_room (const Config *config, const ImageLibrary *library, guint64 bytes);
