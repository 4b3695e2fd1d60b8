// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching what a boot is going to read, before it is asked for.
#pragma once

#include "chunk-fetcher.h"

/* The chunks that the boot profile of IMAGE@VERSION names and that this host has not got, in the
   profile's order, each once: of ChunkId, empty where there is no profile.  Fails where the version
   is not on this host, or not sound.  */
GArray *profile_fetch_missing (const Config *config, const char *image, guint version,
                               GError **error);

typedef struct ProfileFetch ProfileFetch;

/* Fetch by FETCHER, and ask the origins in LIST, by CLIENT, what they know of boots.  All arguments
   outlive the result.  */
ProfileFetch *profile_fetch_new (const Config *config, SiteClient *client, HostList *list,
                                 ChunkFetcher *fetcher);

/* End, within some seconds: a request to another host is waited for.  */
void profile_fetch_free (ProfileFetch *fetch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ProfileFetch, profile_fetch_free)

/* A desktop is about to boot from IMAGE@VERSION: begin to fetch what its boot profile names and
   this host has not got, after an origin was asked for a profile of more boots, unless this host
   has all of it or the profile is closed.  Returns at once; from any thread.  */
void profile_fetch_add (ProfileFetch *fetch, const char *image, guint version);
