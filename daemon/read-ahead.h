// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching what a sequential reader will want next.
#pragma once

#include "network/chunk-fetcher.h"

typedef struct ReadAhead ReadAhead;

/* For the images of CONFIG, by FETCHER; both outlive the result.  */
ReadAhead *read_ahead_new (const Config *config, ChunkFetcher *fetcher);
void read_ahead_free (ReadAhead *read_ahead);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReadAhead, read_ahead_free)

/* Chunk POSITION of REF, "IMAGE@VERSION", is read and missing.  Returns at once; a thread looks
   whether that follows on others, and fetches what comes next.  */
void read_ahead_add (ReadAhead *read_ahead, const char *ref, guint64 position);
