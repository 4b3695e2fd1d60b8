// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that somebody reports as damaged: gildd believes nothing, hashes them itself, and sets
// aside or mends what is damaged indeed.
#pragma once

#include <json-glib/json-glib.h>

#include "qcow-backing/chunk-id.h"
#include "qcow-backing/config.h"

typedef struct DamageCheck DamageCheck;

/* Check chunks of CONFIG's store, which need not exist yet; CONFIG outlives the result.  */
DamageCheck *damage_check_new (const Config *config);

/* Forget the chunks that nobody has looked at yet; waits for the one that is being looked at.  */
void damage_check_free (DamageCheck *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DamageCheck, damage_check_free)

/* Read a report: NAME is the chunk's id, and there is no BODY.  Refuses everything else with
   G_IO_ERROR_INVALID_ARGUMENT.  */
gboolean damage_check_parse (const char *name, JsonObject *body, ChunkId *id, GError **error);

/* Chunk ID was looked at: it is whole, made anew or gone, or ERROR says why it stays as it is.  */
typedef void (*DamageCheckedFunc) (const ChunkId *id, const GError *error, gpointer data);

/* Have chunk ID looked at, in a thread of its own, since a failing disk may take its time; the log
   says what came of it.  Then FUNC, which may be NULL, is called, there or, with
   G_IO_ERROR_CANCELLED, in damage_check_free.  Fails, and does not call it, if too many are
   waiting.  */
gboolean damage_check_add (DamageCheck *check, const ChunkId *id, DamageCheckedFunc func,
                           gpointer data, GError **error);

/* How many chunks are set aside, with no good one in their place; 0 where there is no store.  */
gboolean damage_check_count (const Config *config, guint *count, GError **error);
