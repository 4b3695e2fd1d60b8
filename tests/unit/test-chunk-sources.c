// SPDX-License-Identifier: GPL-2.0-or-later
// Whom to ask for a chunk: bad hosts are left alone, and everybody agrees on whose it is.
#include <glib.h>
#include <string.h>

#include "network/chunk-sources.h"
#include "network/rendezvous.h"

#define NOW (G_GINT64_CONSTANT (1000) * G_USEC_PER_SEC)

/* A host of SPEC: its name, then 'o' an origin, 'l' live, 'c' with a complete version, each or
 * none.
 */
static Host *
make_host (const char *spec)
{
  g_auto (GStrv) parts = g_strsplit (spec, ":", 2);
  Host *host = host_new (parts[0], "192.0.2.1", 10890);

  host->is_origin = strchr (parts[1], 'o') != NULL;
  host->seen_us = NOW - (strchr (parts[1], 'l') ? 1 : 2 * HOST_LIVE_SECONDS) * G_USEC_PER_SEC;
  g_ptr_array_add (host->versions,
                   host_version_new ("demo/desktop@1", strchr (parts[1], 'c') ? 0 : 65536));
  return host;
}

static void
set_hosts (ChunkSources *sources, const char *specs)
{
  g_auto (GStrv) parts = g_strsplit (specs, " ", -1);
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func ((GDestroyNotify)host_unref);

  for (gsize i = 0; parts[i]; i++)
    if (*parts[i])
      g_ptr_array_add (hosts, make_host (parts[i]));
  chunk_sources_set_hosts (sources, hosts);
}

/* A chunk whose home among NAMES, that end with NULL, is the first, and the second the next.  */
static ChunkId
find_chunk (const char *const *names)
{
  for (guint number = 0;; number++)
    {
      ChunkId id = chunk_id_of (&number, sizeof number);
      gsize i = 1;
      while (names[i] && rendezvous_weight (&id, names[i - 1]) > rendezvous_weight (&id, names[i]))
        i++;
      if (!names[i])
        return id;
    }
}

/* All that are asked for ID, one after the other: "pc1+ srv", + for who shall fetch it.  */
static char *
order (ChunkSources *sources, const ChunkId *id, FetchReach reach)
{
  g_autoptr (GString) text = g_string_new (NULL);
  ChunkTried tried = { 0 };
  ChunkSource *source;
  gboolean forward;

  while ((source = chunk_sources_next (sources, id, reach, &tried, NOW, &forward)))
    {
      g_string_append_printf (text, "%s%s%s", text->len ? " " : "", source->host->name,
                              forward ? "+" : "");
      chunk_tried_add (&tried, source);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static ChunkSource *
find_source (ChunkSources *sources, const char *name)
{
  ChunkId id = chunk_id_of (name, strlen (name));
  ChunkTried tried = { 0 };
  ChunkSource *source;
  gboolean forward;

  while ((source = chunk_sources_next (sources, &id, FETCH_FROM_ANYONE, &tried, NOW, &forward)))
    {
      if (g_str_equal (source->host->name, name))
        return source;
      chunk_tried_add (&tried, source);
    }
  g_assert_not_reached ();
}

typedef struct
{
  const char *name;
  const char *ranking[7]; // what the chunk thinks of the hosts, the best first
  const char *hosts;
  gboolean is_origin;
  const char *silent, *bad; // who is struck
  const char *anyone, *on_behalf;
} Case;

static const Case CASES[] = {
  { "nobody", { "me" }, "", FALSE, NULL, NULL, "", "" },
  { "no origin", { "a", "me" }, "a:l", FALSE, NULL, NULL, "a+", "" },
  { "nobody was heard of", { "a", "srv", "me" }, "srv:o a:", FALSE, NULL, NULL, "srv a", "srv" },
  { "the home is struck as bad",
    { "a", "b", "c", "me" },
    "srv:ol a:l b:l c:l",
    FALSE,
    NULL,
    "a",
    "b+ c+ srv",
    "srv" },
  { "the home is silent",
    { "a", "b", "me", "c" },
    "srv:ol a:l b:l c:l",
    FALSE,
    "a",
    NULL,
    "b+ srv c a",
    "srv" },
  { "the origin is silent",
    { "a", "b", "me" },
    "srv:ol a:l b:l",
    FALSE,
    "srv",
    NULL,
    "a+ b+ srv",
    "srv" },
  { "the origin is bad, and there is another",
    { "a", "me", "srv", "two" },
    "srv:ol a:l two:ol",
    FALSE,
    NULL,
    "srv",
    "a+ two srv",
    "two srv" },
  { "two homes, then the origin, then others",
    { "a", "b", "me", "c" },
    "srv:ol a:l b:l c:l d:",
    FALSE,
    NULL,
    NULL,
    "a+ b+ srv c d",
    "srv" },
  { "others that have all of something",
    { "a", "b", "me", "c", "d", "e" },
    "srv:ol a:l b:l c:l d:lc e:c",
    FALSE,
    "srv",
    NULL,
    "a+ b+ d c srv e",
    "srv" },
  { "this host is home",
    { "me", "a", "b" },
    "srv:ol a:l b:l",
    FALSE,
    NULL,
    NULL,
    "srv a b",
    "srv" },
  { "this host is second",
    { "a", "me", "b" },
    "srv:ol a:l b:l",
    FALSE,
    NULL,
    NULL,
    "a+ srv b",
    "srv" },
  { "origins have an order for each chunk",
    { "me", "two", "one" },
    "one:ol two:ol",
    FALSE,
    NULL,
    NULL,
    "two one",
    "two one" },
  { "the other order",
    { "me", "one", "two" },
    "one:ol two:ol",
    FALSE,
    NULL,
    NULL,
    "one two",
    "one two" },
  { "this host is an origin",
    { "a", "b", "me" },
    "srv:ol a:l b:l",
    TRUE,
    NULL,
    NULL,
    "srv a b",
    "srv" },
};

static void
test_order (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (ChunkSources) sources = chunk_sources_new ("me");
  ChunkId id = find_chunk (c->ranking);

  set_hosts (sources, c->hosts);
  chunk_sources_set_origin (sources, c->is_origin);
  if (c->silent)
    chunk_source_strike (find_source (sources, c->silent), STRIKE_SILENT, NOW);
  if (c->bad)
    chunk_source_strike (find_source (sources, c->bad), STRIKE_BAD, NOW);
  g_autofree char *anyone = order (sources, &id, FETCH_FROM_ANYONE);
  g_autofree char *on_behalf = order (sources, &id, FETCH_ON_BEHALF);
  g_assert_cmpstr (anyone, ==, c->anyone);
  g_assert_cmpstr (on_behalf, ==, c->on_behalf);
}

/* On another's behalf a home is asked if it has answered lately, and is nearer than this host.  */
static void
test_on_behalf (void)
{
  g_autoptr (ChunkSources) sources = chunk_sources_new ("me");
  ChunkId id = find_chunk ((const char *const[]){ "a", "b", "me", "c", NULL });

  set_hosts (sources, "srv:ol a:l b:l c:l");
  ChunkSource *a = find_source (sources, "a"), *c = find_source (sources, "c");
  a->answered_us = c->answered_us = NOW - 9 * G_USEC_PER_SEC;
  g_autofree char *nearer = order (sources, &id, FETCH_ON_BEHALF);
  g_assert_cmpstr (nearer, ==, "a+ srv");
  a->answered_us = NOW - 11 * G_USEC_PER_SEC;
  g_autofree char *long_ago = order (sources, &id, FETCH_ON_BEHALF);
  g_assert_cmpstr (long_ago, ==, "srv");
  a->answered_us = NOW;
  chunk_source_strike (a, STRIKE_SILENT, NOW);
  g_autofree char *struck = order (sources, &id, FETCH_ON_BEHALF);
  g_assert_cmpstr (struck, ==, "srv");
  chunk_sources_set_origin (sources, TRUE);
  c->answered_us = NOW;
  g_autofree char *origin = order (sources, &id, FETCH_ON_BEHALF);
  g_assert_cmpstr (origin, ==, "srv");
}

/* Whatever each of many hosts thinks of the others, whoever is to fetch a chunk for another is
   nearer home: so no two wait for each other, nor any number in a circle.  */
static void
test_no_circle (void)
{
  enum
  {
    N = 12,
    CHUNKS = 300
  };
  g_autoptr (GString) specs = g_string_new ("srv:ol");
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint n_asked = 0;

  for (guint i = 0; i < N; i++)
    g_string_append_printf (specs, " pc%u:l", i);
  for (guint i = 0; i < N * CHUNKS; i++)
    {
      g_autofree char *own = g_strdup_printf ("pc%u", i % N);
      g_autoptr (ChunkSources) sources = chunk_sources_new (own);
      ChunkId id = chunk_id_of (&i, sizeof i);
      FetchReach reach = g_rand_boolean (rand) ? FETCH_FROM_ANYONE : FETCH_ON_BEHALF;
      ChunkTried tried = { 0 };
      ChunkSource *source;
      gboolean forward;
      set_hosts (sources, specs->str);
      for (guint other = 0; other < N; other++)
        {
          g_autofree char *name = g_strdup_printf ("pc%u", other);
          source = find_source (sources, name);
          source->answered_us = g_rand_boolean (rand) ? NOW : 0;
          if (g_rand_int_range (rand, 0, 3) == 0)
            chunk_source_strike (source, STRIKE_SILENT, NOW);
        }
      while ((source = chunk_sources_next (sources, &id, reach, &tried, NOW, &forward)))
        {
          if (forward)
            g_assert_cmpuint (rendezvous_weight (&id, source->host->name), >,
                              rendezvous_weight (&id, own));
          n_asked += forward && reach == FETCH_ON_BEHALF;
          chunk_tried_add (&tried, source);
        }
    }
  g_assert_cmpuint (n_asked, >, CHUNKS);
}

/* A strike ends, a lighter one does not shorten a heavier one, and who leaves is not asked.  */
static void
test_strikes (void)
{
  g_autoptr (ChunkSources) sources = chunk_sources_new ("me");
  ChunkId id = find_chunk ((const char *const[]){ "a", "me", NULL });
  ChunkTried tried = { 0 };
  gboolean forward;

  set_hosts (sources, "a:l");
  ChunkSource *a = find_source (sources, "a");
  chunk_source_strike (a, STRIKE_BAD, NOW);
  chunk_source_strike (a, STRIKE_SILENT, NOW);
  g_assert_null (chunk_sources_next (sources, &id, FETCH_FROM_ANYONE, &tried,
                                     NOW + 40 * G_USEC_PER_SEC, &forward));
  g_assert_true (chunk_sources_next (sources, &id, FETCH_FROM_ANYONE, &tried,
                                     NOW + 601 * G_USEC_PER_SEC, &forward)
                 == a);
  set_hosts (sources, "srv:ol");
  g_autofree char *asked = order (sources, &id, FETCH_FROM_ANYONE);
  g_assert_cmpstr (asked, ==, "srv");
  g_assert_true (a->host != NULL && !a->is_listed); // requests may still point to it
}

static void
test_last_origin (void)
{
  g_autoptr (ChunkSources) sources = chunk_sources_new ("me");

  g_assert_true (chunk_sources_is_empty (sources, FETCH_FROM_ANYONE));
  set_hosts (sources, "a:l");
  g_assert_false (chunk_sources_is_empty (sources, FETCH_FROM_ANYONE));
  g_assert_true (chunk_sources_is_empty (sources, FETCH_ON_BEHALF));
  g_assert_false (chunk_sources_is_last_origin (sources, find_source (sources, "a"), NOW));
  set_hosts (sources, "a:l one:ol two:o");
  g_assert_false (chunk_sources_is_empty (sources, FETCH_ON_BEHALF));
  ChunkSource *one = find_source (sources, "one"), *two = find_source (sources, "two");
  g_assert_false (chunk_sources_is_last_origin (sources, one, NOW));
  chunk_source_strike (two, STRIKE_SILENT, NOW);
  g_assert_true (chunk_sources_is_last_origin (sources, one, NOW));
}

/* Whatever the number of hosts, the rounds end.  */
static void
test_many (void)
{
  g_autoptr (ChunkSources) sources = chunk_sources_new ("me");
  g_autoptr (GString) specs = g_string_new (NULL);
  ChunkId id = chunk_id_of ("x", 1);

  for (guint i = 0; i < 300; i++)
    g_string_append_printf (specs, "pc%u:%s ", i, i % 3 ? "l" : "o");
  set_hosts (sources, specs->str);
  g_autofree char *asked = order (sources, &id, FETCH_FROM_ANYONE);
  g_auto (GStrv) parts = g_strsplit (asked, " ", -1);
  g_assert_cmpuint (g_strv_length (parts), ==, CHUNK_TRIED_MAX);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_autofree char *path = g_strdup_printf ("/chunk-sources/order/%s", CASES[i].name);
      g_test_add_data_func (path, &CASES[i], test_order);
    }
  g_test_add_func ("/chunk-sources/on-behalf", test_on_behalf);
  g_test_add_func ("/chunk-sources/no-circle", test_no_circle);
  g_test_add_func ("/chunk-sources/strikes", test_strikes);
  g_test_add_func ("/chunk-sources/last-origin", test_last_origin);
  g_test_add_func ("/chunk-sources/many", test_many);
  return g_test_run ();
}
