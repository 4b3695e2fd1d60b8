// SPDX-License-Identifier: GPL-2.0-or-later
// Whom to ask for a chunk, in which order, and who is left alone for a while.
//
// First the two hosts that are home to the chunk (rendezvous.h), of those that are no origins, were
// heard of lately and are not struck; they fetch on behalf of who asks.  This host takes part in
// the ranking: where it is home itself nobody else need have the chunk, and the origins are next.
// Among the origins each chunk has an order of its own, so that they share the work.  When all of
// these were tried there are others, which are asked as a last resort: more peers, those first that
// have some version whole, origins that were struck, peers that nobody has heard of lately, since
// it may be the origins that went, and peers that were silent.
//
// Whoever fetches for another is nearer home than who asks, whatever either thinks of the rest: so
// no two wait for each other, and who was asked since another was silent still finds the chunk with
// that one, if it answers there.
//
// Nothing here asks anybody or looks at a clock; it is for one thread at a time.
#pragma once

#include "host.h"
#include "qcow-backing/chunk-id.h"

typedef enum
{
  FETCH_FROM_ANYONE,
  FETCH_ON_BEHALF, // of another host, which asks the others itself: homes that answer, and origins
} FetchReach;

typedef enum
{
  STRIKE_SILENT, // for half a minute: it is slow, silent, or not there
  STRIKE_BAD,    // for ten minutes: it sent what it must not send
} StrikeKind;

/* A host that can be asked, for as long as the ChunkSources live, also when it has left the list.
 */
typedef struct
{
  guint number;                      // counts from 0
  Host *host;                        // as the list had it last
  gboolean is_listed;                // it is in the list
  gint64 struck_us, struck_until_us; // 0: never struck
  gint64 doubted_us;                 // since when it says nothing, and may yet; 0: it does
  gint64 answered_us;                // when it last answered a request well
  StrikeKind strike;                 // the last
} ChunkSource;

typedef struct ChunkSources ChunkSources;

/* OWN_NAME is this host.  */
ChunkSources *chunk_sources_new (const char *own_name);
void chunk_sources_free (ChunkSources *sources);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChunkSources, chunk_sources_free)

/* The list is now HOSTS, of Host *.  */
void chunk_sources_set_hosts (ChunkSources *sources, const GPtrArray *hosts);

/* Whether this host is an origin: then it asks the others, and peers, who would ask it, last.  */
void chunk_sources_set_origin (ChunkSources *sources, gboolean is_origin);

/* The hosts that were asked for a chunk and have not given it.  */
#define CHUNK_TRIED_MAX 16
typedef struct
{
  guint n;
  guint16 numbers[CHUNK_TRIED_MAX];
} ChunkTried;
void chunk_tried_add (ChunkTried *tried, const ChunkSource *source);

/* Whom to ask next for chunk ID; NULL when nobody is left, or CHUNK_TRIED_MAX were asked.  *FORWARD
   is whether it shall fetch what it has not got.  */
ChunkSource *chunk_sources_next (ChunkSources *sources, const ChunkId *id, FetchReach reach,
                                 const ChunkTried *tried, gint64 now_us, gboolean *forward);

gboolean chunk_source_is_struck (const ChunkSource *source, gint64 now_us);

/* Leave SOURCE alone.  */
void chunk_source_strike (ChunkSource *source, StrikeKind kind, gint64 now_us);

/* Whether SOURCE is the only origin that is listed and not struck: nobody could take its place.  */
gboolean chunk_sources_is_last_origin (const ChunkSources *sources, const ChunkSource *source,
                                       gint64 now_us);

/* Whether there is anybody to ask with REACH.  */
gboolean chunk_sources_is_empty (const ChunkSources *sources, FetchReach reach);
