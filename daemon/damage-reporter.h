// SPDX-License-Identifier: GPL-2.0-or-later
// Telling gildd of damaged chunks, without ever keeping waiting who reads them.
#pragma once

#include "qcow-backing/chunk-id.h"

typedef struct DamageReporter DamageReporter;

/* Tell the gildd that listens, or some day will, at SOCKET_PATH.  */
DamageReporter *damage_reporter_new (const char *socket_path);

/* Forget what is not told yet; waits for the report at hand, a few seconds at most.  */
void damage_reporter_free (DamageReporter *reporter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DamageReporter, damage_reporter_free)

/* Chunk ID was read and is damaged.  Returns at once; a thread tells gildd, and a message says if
   it cannot.  What was told a short while ago is not told again, and what comes faster than gildd
   takes it is dropped: the next read of that chunk reports it.  Safe from several threads.  */
void damage_reporter_add (DamageReporter *reporter, const ChunkId *id);
