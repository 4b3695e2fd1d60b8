// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching all that a version lacks.
#pragma once

#include "completeness.h"
#include "record-sync.h"

typedef struct
{
  const RecordSync *sync;
  Completeness *completeness;
  guint64 limit_bytes; // a second; 0: none
  /* Told a few times a second how many bytes of the guest's have come; FALSE ends it.  */
  gboolean (*go_on) (gpointer data, guint64 done_bytes);
  gpointer data;
} VersionFetch;

/* Get what this host lacks of IMAGE@VERSION, whose records it has, its index's chunks among it;
   *MISSING_BYTES of the guest's is what it lacks then.  Fails where chunks did not come; not where
   go_on ended it.  */
gboolean version_fetch_run (const VersionFetch *fetch, const char *image, guint version,
                            guint64 *missing_bytes, GError **error);
