// SPDX-License-Identifier: GPL-2.0-or-later
// Telling gildd what boots have read, without ever keeping waiting who reads.
#pragma once

#include <glib.h>

typedef struct ProfileReporter ProfileReporter;

/* Tell the gildd that listens, or some day will, at SOCKET_PATH.  */
ProfileReporter *profile_reporter_new (const char *socket_path);

/* Forget what is not told yet; waits for the report at hand, a few seconds at most.  */
void profile_reporter_free (ProfileReporter *reporter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ProfileReporter, profile_reporter_free)

/* Whether a boot of REF, IMAGE@VERSION, is worth recording: gildd has not yet said that it knows
   enough.  Safe from several threads, as the next.  */
gboolean profile_reporter_wants (ProfileReporter *reporter, const char *ref);

/* Who has opened REF at SINCE_US, of the monotonic clock, has first read POSITIONS (guint32), in
   that order; takes them over.  Returns at once; a thread tells gildd if that was a boot, and a
   message says if it cannot.  It is a hint: what cannot be told at once is not told again.  */
void profile_reporter_add (ProfileReporter *reporter, const char *ref, GArray *positions,
                           gint64 since_us);
