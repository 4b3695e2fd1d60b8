// SPDX-License-Identifier: GPL-2.0-or-later
// Whom to ask for a chunk, in which order, and who is left alone for a while.

#include "chunk-sources.h"

#include "rendezvous.h"

#define SILENT_SECONDS 30
#define BAD_SECONDS    600
#define LATELY_SECONDS 10

struct ChunkSources
{
  char *own_name;
  gboolean is_origin;
  GPtrArray *all;      // of ChunkSource *, by number
  GHashTable *by_name; // char *, owned -> ChunkSource *
};

static void
source_free (gpointer data)
{
  ChunkSource *source = data;

  host_unref (source->host);
  g_free (source);
}

ChunkSources *
chunk_sources_new (const char *own_name)
{
  ChunkSources *sources = g_new0 (ChunkSources, 1);

  sources->own_name = g_strdup (own_name);
  sources->all = g_ptr_array_new_with_free_func (source_free);
  sources->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return sources;
}

void
chunk_sources_free (ChunkSources *sources)
{
  if (!sources)
    return;
  g_hash_table_unref (sources->by_name);
  g_ptr_array_unref (sources->all);
  g_free (sources->own_name);
  g_free (sources);
}

void
chunk_sources_set_hosts (ChunkSources *sources, const GPtrArray *hosts)
{
  for (guint i = 0; i < sources->all->len; i++)
    ((ChunkSource *)sources->all->pdata[i])->is_listed = FALSE;
  for (guint i = 0; i < hosts->len; i++)
    {
      Host *host = hosts->pdata[i];
      ChunkSource *source = g_hash_table_lookup (sources->by_name, host->name);
      if (!host->address || (!source && sources->all->len > G_MAXUINT16))
        continue;
      if (!source)
        {
          source = g_new0 (ChunkSource, 1);
          source->number = sources->all->len;
          g_ptr_array_add (sources->all, source);
          g_hash_table_insert (sources->by_name, g_strdup (host->name), source);
        }
      g_clear_pointer (&source->host, host_unref);
      source->host = host_ref (host);
      source->is_listed = TRUE;
    }
}

void
chunk_sources_set_origin (ChunkSources *sources, gboolean is_origin)
{
  sources->is_origin = is_origin;
}

void
chunk_tried_add (ChunkTried *tried, const ChunkSource *source)
{
  if (tried->n < CHUNK_TRIED_MAX)
    tried->numbers[tried->n++] = (guint16)source->number;
}

static gboolean
is_tried (const ChunkTried *tried, const ChunkSource *source)
{
  for (guint i = 0; i < tried->n; i++)
    if (tried->numbers[i] == source->number)
      return TRUE;
  return FALSE;
}

gboolean
chunk_source_is_struck (const ChunkSource *source, gint64 now_us)
{
  return source->struck_until_us > now_us;
}

/* On another's behalf only who is known to be there: the other may come here since SOURCE is gone,
   and would wait with each host in turn until that one has found out as well.  */
static gboolean
may_be_home (const ChunkSource *source, FetchReach reach, gint64 now_us)
{
  return source->is_listed && !source->host->is_origin && !chunk_source_is_struck (source, now_us)
         && host_is_live (source->host, now_us)
         && (reach == FETCH_FROM_ANYONE
             || source->answered_us > now_us - LATELY_SECONDS * G_USEC_PER_SEC);
}

/* The two that are home to a chunk; NULL stands for this host, or for nobody.  */
typedef struct
{
  ChunkSource *first, *second;
  gboolean is_own; // this host is the first
} Homes;

static Homes
find_homes (const ChunkSources *sources, const ChunkId *id, FetchReach reach, gint64 now_us)
{
  guint64 own = rendezvous_weight (id, sources->own_name), first = own, second = 0;
  Homes homes = { .is_own = TRUE };

  for (guint i = 0; i < sources->all->len; i++)
    {
      ChunkSource *source = sources->all->pdata[i];
      if (!may_be_home (source, reach, now_us))
        continue;
      guint64 weight = rendezvous_weight (id, source->host->name);
      if (weight > first)
        {
          second = first;
          homes.second = homes.first;
          first = weight;
          homes.first = source;
          homes.is_own = FALSE;
        }
      else if (weight > second)
        {
          second = weight;
          homes.second = source;
        }
    }
  return homes;
}

/* Among whom SOURCE is asked, beside the homes: the lowest number first, -1 never.  */
static int
find_tier (const ChunkSource *source, FetchReach reach, gint64 now_us)
{
  gboolean struck = chunk_source_is_struck (source, now_us);

  if (source->host->is_origin)
    return !struck ? 0 : source->strike == STRIKE_SILENT ? 3 : 4;
  if (reach == FETCH_ON_BEHALF || (struck && source->strike == STRIKE_BAD))
    return -1;
  if (struck)
    return 6;
  if (!host_is_live (source->host, now_us))
    return 5;
  return host_has_complete_version (source->host) ? 1 : 2;
}

static ChunkSource *
find_other (const ChunkSources *sources, const ChunkId *id, FetchReach reach,
            const ChunkTried *tried, gint64 now_us)
{
  ChunkSource *best = NULL;
  int best_tier = G_MAXINT;
  guint64 best_weight = 0;

  for (guint i = 0; i < sources->all->len; i++)
    {
      ChunkSource *source = sources->all->pdata[i];
      int tier = source->is_listed ? find_tier (source, reach, now_us) : -1;
      if (tier < 0 || tier > best_tier || is_tried (tried, source))
        continue;
      guint64 weight = rendezvous_weight (id, source->host->name);
      if (tier < best_tier || weight > best_weight)
        {
          best = source;
          best_tier = tier;
          best_weight = weight;
        }
    }
  return best;
}

ChunkSource *
chunk_sources_next (ChunkSources *sources, const ChunkId *id, FetchReach reach,
                    const ChunkTried *tried, gint64 now_us, gboolean *forward)
{
  *forward = FALSE;
  if (tried->n == CHUNK_TRIED_MAX)
    return NULL;
  if (!sources->is_origin)
    {
      Homes homes = find_homes (sources, id, reach, now_us);
      *forward = TRUE;
      if (!homes.is_own && homes.first && !is_tried (tried, homes.first))
        return homes.first;
      if (!homes.is_own && homes.second && !is_tried (tried, homes.second))
        return homes.second;
      *forward = FALSE;
    }
  return find_other (sources, id, reach, tried, now_us);
}

void
chunk_source_strike (ChunkSource *source, StrikeKind kind, gint64 now_us)
{
  gint64 until = now_us + (kind == STRIKE_BAD ? BAD_SECONDS : SILENT_SECONDS) * G_USEC_PER_SEC;

  source->doubted_us = 0;
  if (until < source->struck_until_us)
    return;
  source->struck_us = now_us;
  source->struck_until_us = until;
  source->strike = kind;
}

gboolean
chunk_sources_is_last_origin (const ChunkSources *sources, const ChunkSource *source, gint64 now_us)
{
  for (guint i = 0; i < sources->all->len; i++)
    {
      const ChunkSource *other = sources->all->pdata[i];
      if (other != source && other->is_listed && other->host->is_origin
          && !chunk_source_is_struck (other, now_us))
        return FALSE;
    }
  return source->host->is_origin;
}

gboolean
chunk_sources_is_empty (const ChunkSources *sources, FetchReach reach)
{
  for (guint i = 0; i < sources->all->len; i++)
    {
      const ChunkSource *source = sources->all->pdata[i];
      if (source->is_listed && (reach == FETCH_FROM_ANYONE || source->host->is_origin))
        return FALSE;
    }
  return TRUE;
}
