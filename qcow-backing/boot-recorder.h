// SPDX-License-Identifier: GPL-2.0-or-later
// Recording which chunks a client reads first, from when it came: of a desktop that is its boot.
#pragma once

#include <glib.h>

#include "boot-profile.h"

typedef struct BootRecorder BootRecorder;

/* Record the client that comes at NOW_US, of the monotonic clock, to a disk of N_CHUNKS.  */
BootRecorder *boot_recorder_new (gsize n_chunks, gint64 now_us);
void boot_recorder_free (BootRecorder *recorder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BootRecorder, boot_recorder_free)

/* The chunk at POSITION, which is below N_CHUNKS, is read.  FALSE if nothing is recorded any more:
   the client came long ago, or has read as much as a profile may have, or boot_recorder_end was
   called.  Safe from several threads, which hardly wait for each other.  */
gboolean boot_recorder_add (BootRecorder *recorder, gsize position, gint64 now_us);

/* End: the positions (guint32) in the order in which they were first read, to the first who asks;
   NULL to everybody else.  */
GArray *boot_recorder_end (BootRecorder *recorder);

/* When the client came.  */
gint64 boot_recorder_since (const BootRecorder *recorder);

/* Whether who reads POSITIONS boots from the disk, rather than looks at its first blocks or copies
   it from end to end.  */
gboolean boot_recorder_is_boot (const GArray *positions);
