// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching what a boot is going to read, before it is asked for.
#pragma once

#include "qcow-backing/chunk-id.h"
#include "qcow-backing/config.h"

/* The chunks that the boot profile of IMAGE@VERSION names and that this host has not got, in the
   profile's order, each once: of ChunkId, empty where there is no profile.  Fails where the version
   is not on this host, or not sound.  */
GArray *profile_fetch_missing (const Config *config, const char *image, guint version,
                               GError **error);

typedef struct ProfileFetch ProfileFetch;

/* Have WANT called for the chunks of each version that is added, from a thread that it may keep.
   CONFIG outlives the result.  */
typedef void (*ProfileWantFunc) (const ChunkId *id, gpointer data);
ProfileFetch *profile_fetch_new (const Config *config, ProfileWantFunc want, gpointer data);

/* Forget versions that wait; WANT is not called any more.  */
void profile_fetch_free (ProfileFetch *fetch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ProfileFetch, profile_fetch_free)

/* A desktop is about to boot from IMAGE@VERSION.  Returns at once.  */
void profile_fetch_add (ProfileFetch *fetch, const char *image, guint version);
