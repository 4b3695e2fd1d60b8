// SPDX-License-Identifier: GPL-2.0-or-later
// How complete the versions of this host are: how many bytes of each one's disk are not in its
// store.
//
// Counting means looking for every chunk, a second for a disk of 40 GiB, so it is done bit by bit,
// again and again, and what was last counted is told at once.
#pragma once

#include "host.h"
#include "qcow-backing/image-library.h"

typedef struct Completeness Completeness;

/* Count the versions of LIBRARY, which outlives the result.  Safe to use from several threads.  */
Completeness *completeness_new (ImageLibrary *library);
void completeness_free (Completeness *completeness);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Completeness, completeness_free)

/* Look for BUDGET chunks more: of versions that were not complete, then of those that were, an hour
   later.  Versions that were never counted come first, the newest before the others, and ten times
   as many of their chunks.  */
void completeness_scan (Completeness *completeness, guint budget);

/* Count IMAGE@VERSION now.  What an unreadable version lacks is not known: it fails.  */
gboolean completeness_count (Completeness *completeness, const char *image, guint version,
                             guint64 *missing_bytes, GError **error);

/* What was last counted; FALSE where IMAGE@VERSION never was.  */
gboolean completeness_get (Completeness *completeness, const char *ref, guint64 *missing_bytes);

/* The versions that were counted, of HostVersion *, sorted by ref; owned by the caller.  */
GPtrArray *completeness_versions (Completeness *completeness);
