// SPDX-License-Identifier: GPL-2.0-or-later
// What the hook asks gildd before a desktop starts, and the answer, of which it believes nothing
// unseen.
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "metadata.h"

typedef struct
{
  char *target;
  char *backing;              // the URI of the version, for the overlay's header
  guint64 virtual_size_bytes; // of the version, so of the overlay
} PrepareDisk;

typedef struct
{
  guint64 overlay_bytes; // the tmpfs' cap
  GPtrArray *disks;      // of PrepareDisk *, one for each of the metadata's
} PrepareAnswer;

/* The body of POST /desktops/NAME/prepare.  */
JsonNode *prepare_request (const Metadata *metadata);

/* Read ANSWER, which must be about METADATA's desktop and disks, with sizes in range and with
   backings that are versions served at NBD_SOCKET.  */
PrepareAnswer *prepare_answer_read (JsonObject *answer, const Metadata *metadata,
                                    const char *nbd_socket, GError **error);
void prepare_answer_free (PrepareAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PrepareAnswer, prepare_answer_free)
