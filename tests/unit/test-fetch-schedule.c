// SPDX-License-Identifier: GPL-2.0-or-later
// What is asked of whom, and when: without any host.
#include <gio/gio.h>
#include <string.h>

#include "network/fetch-schedule.h"
#include "network/rendezvous.h"
#include "tests/unit/remove-tree.h"

#define NOW (G_GINT64_CONSTANT (1000) * G_USEC_PER_SEC)
#define SEC G_USEC_PER_SEC

typedef struct
{
  char *path;
  ChunkStore *store;
  IncomingChunks *incoming;
  FetchSchedule *schedule;
  guint n_done, n_failed;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->path = g_dir_make_tmp ("gild-schedule-XXXXXX", NULL);
  f->store = chunk_store_open (f->path, NULL);
  f->incoming = incoming_chunks_new (f->store, NULL);
  f->schedule = fetch_schedule_new ("me", f->incoming);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  fetch_schedule_free (f->schedule);
  incoming_chunks_free (f->incoming);
  chunk_store_free (f->store);
  remove_tree (f->path);
  g_free (f->path);
}

/* An origin called srv, and if WITH_PEER a peer that is called so.  */
static void
set_hosts (Fixture *f, gboolean with_peer)
{
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func ((GDestroyNotify)host_unref);
  Host *origin = host_new ("srv", "192.0.2.1", 10890),
       *peer = host_new ("peer", "192.0.2.2", 10890);

  origin->is_origin = TRUE;
  origin->seen_us = peer->seen_us = NOW;
  g_ptr_array_add (hosts, origin);
  if (with_peer)
    g_ptr_array_add (hosts, peer);
  else
    host_unref (peer);
  chunk_sources_set_hosts (fetch_schedule_sources (f->schedule), hosts);
}

/* Chunk NUMBER of those whose home is this host, or the peer.  */
static ChunkId
chunk_of (guint number, gboolean is_peers)
{
  for (guint i = 0;; i++)
    {
      ChunkId id = chunk_id_of (&i, sizeof i);
      if ((rendezvous_weight (&id, "peer") > rendezvous_weight (&id, "me")) == is_peers
          && number-- == 0)
        return id;
    }
}

static void
on_done (const ChunkId *id, const GError *error, gpointer data)
{
  Fixture *f = data;

  f->n_done++;
  f->n_failed += error != NULL;
}

static void
finish (Fixture *f)
{
  GPtrArray *ended = fetch_schedule_take_ended (f->schedule);

  if (!ended)
    return;
  g_ptr_array_set_free_func (ended, NULL);
  for (guint i = 0; i < ended->len; i++)
    wanted_chunk_finish (ended->pdata[i]);
  g_ptr_array_unref (ended);
}

static void
want (Fixture *f, const ChunkId *id, FetchUrgency urgency, FetchReach reach)
{
  fetch_schedule_want (f->schedule, id, urgency, reach, NOW + 30 * SEC, on_done, f);
}

/* The next request at AT; "srv 3", "peer+ 1!": its host, + for forward, its chunks, ! if somebody
   waits for them; "-".  */
static FetchAsk *
assert_next (Fixture *f, gint64 at, const char *wanted)
{
  fetch_schedule_update (f->schedule, at);
  FetchAsk *ask = fetch_schedule_next (f->schedule, at);
  g_autofree char *text =
      ask ? g_strdup_printf ("%s%s %u%s", ask->source->host->name, ask->want.forward ? "+" : "",
                             ask->want.n_chunks, ask->is_demand ? "!" : "")
          : g_strdup ("-");

  g_assert_cmpstr (text, ==, wanted);
  return ask;
}

static void
answer (Fixture *f, FetchAsk *ask, const ChunkId *id, gboolean has)
{
  g_autoptr (GError) error = NULL;

  fetch_schedule_answer (f->schedule, ask, id, has, &error);
  g_assert_no_error (error);
  if (has)
    fetch_schedule_checked (f->schedule, id, ask->source, FETCH_GOOD, NULL, NOW);
  finish (f);
}

static void
test_not_asked_for (Fixture *f, gconstpointer data)
{
  ChunkId a = chunk_of (0, FALSE), b = chunk_of (1, FALSE);
  g_autoptr (GError) error = NULL;

  set_hosts (f, FALSE);
  want (f, &a, FETCH_DEMAND, FETCH_FROM_ANYONE);
  FetchAsk *ask = assert_next (f, NOW, "srv 1!");
  g_assert_false (fetch_schedule_answer (f->schedule, ask, &b, TRUE, &error));
  g_assert_nonnull (error);
  answer (f, ask, &a, TRUE);
  g_assert_false (fetch_schedule_answer (f->schedule, ask, &a, TRUE, NULL));
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW);
  g_assert_cmpuint (f->n_done, ==, 1);
}

/* The peer has it not, then the origin is asked, without forward.  */
static void
test_next_host (Fixture *f, gconstpointer data)
{
  ChunkId a = chunk_of (0, TRUE);

  set_hosts (f, TRUE);
  want (f, &a, FETCH_DEMAND, FETCH_FROM_ANYONE);
  FetchAsk *ask = assert_next (f, NOW, "peer+ 1!");
  assert_next (f, NOW, "-");
  answer (f, ask, &a, FALSE);
  FetchAsk *second = assert_next (f, NOW, "srv 1!");
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW);
  answer (f, second, &a, TRUE);
  fetch_schedule_end (f->schedule, second, NULL, STRIKE_SILENT, NOW);
  g_assert_cmpuint (f->n_done, ==, 1);
  g_assert_cmpuint (f->n_failed, ==, 0);
}

/* For another host only homes that have answered here are asked, and origins; once somebody here
   wants it too, everybody, and nobody twice.  */
static void
test_reach (Fixture *f, gconstpointer data)
{
  ChunkId a = chunk_of (0, TRUE), b = chunk_of (1, TRUE), c = chunk_of (0, FALSE);
  ChunkId d = chunk_of (1, FALSE);

  set_hosts (f, TRUE);
  want (f, &a, FETCH_DEMAND, FETCH_ON_BEHALF);
  FetchAsk *ask = assert_next (f, NOW, "srv 1!");
  want (f, &a, FETCH_DEMAND, FETCH_FROM_ANYONE);
  assert_next (f, NOW, "-");
  answer (f, ask, &a, FALSE);
  FetchAsk *second = assert_next (f, NOW, "peer+ 1!");
  want (f, &a, FETCH_DEMAND, FETCH_ON_BEHALF);
  assert_next (f, NOW, "-");
  answer (f, second, &a, TRUE);
  g_assert_cmpuint (f->n_done, ==, 3);
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW);
  fetch_schedule_end (f->schedule, second, NULL, STRIKE_SILENT, NOW);
  want (f, &b, FETCH_DEMAND, FETCH_ON_BEHALF); // the peer has answered by now
  want (f, &c, FETCH_DEMAND, FETCH_ON_BEHALF); // this host is home to it
  ask = assert_next (f, NOW, "srv 1!");
  second = assert_next (f, NOW, "peer+ 1!");
  answer (f, ask, &c, TRUE);
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW);
  fetch_schedule_end (f->schedule, second, "it is silent", STRIKE_SILENT, NOW);
  ask = assert_next (f, NOW, "srv 1!");
  answer (f, ask, &b, FALSE);
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW);
  assert_next (f, NOW, "-");
  finish (f);
  g_assert_cmpuint (f->n_failed, ==, 0); // one of the two says nothing: it rests, and then goes on
  ask = assert_next (f, NOW + SEC, "srv 1!");
  answer (f, ask, &b, TRUE);
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW + SEC);
  g_assert_cmpuint (f->n_done, ==, 5);
  want (f, &d, FETCH_DEMAND, FETCH_FROM_ANYONE);
  want (f, &d, FETCH_DEMAND, FETCH_ON_BEHALF); // takes nothing from who waits here
  ask = assert_next (f, NOW + 2 * SEC, "srv 1!");
  answer (f, ask, &d, FALSE);
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW + 2 * SEC);
  second = assert_next (f, NOW + 2 * SEC, "peer 1!");
  answer (f, second, &d, TRUE);
  fetch_schedule_end (f->schedule, second, NULL, STRIKE_SILENT, NOW + 2 * SEC);
  g_assert_cmpuint (f->n_done, ==, 7);
}

/* Somebody begins to wait for what is queued, what comes soon, and what is far behind.  */
static void
test_raise (Fixture *f, gconstpointer data)
{
  enum
  {
    N = 17
  };
  ChunkId ids[N];

  set_hosts (f, FALSE);
  for (guint i = 0; i < N; i++)
    {
      ids[i] = chunk_of (i, FALSE);
      want (f, &ids[i], FETCH_BULK, FETCH_FROM_ANYONE);
    }
  FetchAsk *ask = assert_next (f, NOW, "srv 16");
  want (f, &ids[16], FETCH_DEMAND, FETCH_FROM_ANYONE);
  FetchAsk *queued = assert_next (f, NOW, "srv 1!");
  want (f, &ids[4], FETCH_DEMAND, FETCH_FROM_ANYONE);
  assert_next (f, NOW, "-");
  want (f, &ids[15], FETCH_DEMAND, FETCH_FROM_ANYONE);
  FetchAsk *again = assert_next (f, NOW, "srv 1!");
  g_assert_true (chunk_id_equal (&again->want.chunks[0], &ids[15]));
  answer (f, again, &ids[15], TRUE);
  g_assert_cmpuint (f->n_done, ==, 2);
  for (guint i = 0; i < 16; i++)
    answer (f, ask, &ids[i], TRUE); // the second time it is nobody's any more
  answer (f, queued, &ids[16], TRUE);
  g_assert_cmpuint (f->n_done, ==, N + 3);
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW);
  fetch_schedule_end (f->schedule, queued, NULL, STRIKE_SILENT, NOW);
  fetch_schedule_end (f->schedule, again, NULL, STRIKE_SILENT, NOW);
  g_assert_cmpuint (fetch_schedule_n_wanted (f->schedule), ==, 0);
}

/* The first who waits is told at its deadline, and the fetch goes on for the others.  */
static void
test_deadlines (Fixture *f, gconstpointer data)
{
  ChunkId a = chunk_of (0, FALSE);

  set_hosts (f, FALSE);
  fetch_schedule_want (f->schedule, &a, FETCH_DEMAND, FETCH_FROM_ANYONE, NOW + SEC, on_done, f);
  want (f, &a, FETCH_DEMAND, FETCH_FROM_ANYONE);
  FetchAsk *ask = assert_next (f, NOW, "srv 1!");
  fetch_schedule_update (f->schedule, NOW + SEC);
  finish (f);
  g_assert_cmpuint (f->n_done, ==, 1);
  g_assert_cmpuint (f->n_failed, ==, 1);
  fetch_schedule_end (f->schedule, ask, "it is silent", STRIKE_SILENT, NOW + 2 * SEC);
  assert_next (f, NOW + 2 * SEC, "-"); // it rests
  ask = assert_next (f, NOW + 3 * SEC, "srv 1!");
  fetch_schedule_update (f->schedule, NOW + 31 * SEC);
  finish (f);
  g_assert_cmpuint (f->n_failed, ==, 2);
  g_assert_cmpuint (fetch_schedule_n_wanted (f->schedule), ==, 0);
  answer (f, ask, &a, TRUE); // too late, and no harm
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW + 31 * SEC);
  g_assert_cmpuint (f->n_done, ==, 2);
}

/* Who waits here waits also when another, for whom the chunk is fetched, would not.  */
static void
test_patience (Fixture *f, gconstpointer data)
{
  ChunkId a = chunk_of (0, FALSE);

  set_hosts (f, FALSE);
  want (f, &a, FETCH_DEMAND, FETCH_FROM_ANYONE);
  want (f, &a, FETCH_DEMAND, FETCH_ON_BEHALF);
  FetchAsk *ask = assert_next (f, NOW, "srv 1!");
  answer (f, ask, &a, FALSE);
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW);
  assert_next (f, NOW, "-");
  finish (f);
  g_assert_cmpuint (f->n_done, ==, 0);
  ask = assert_next (f, NOW + SEC, "srv 1!");
  answer (f, ask, &a, TRUE);
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW);
  g_assert_cmpuint (f->n_done, ==, 2);
}

/* A host that is quiet: what somebody waits for is asked of others too, and the rest stays with it,
   which is asked again as soon as it has said something.  */
static void
test_doubt (Fixture *f, gconstpointer data)
{
  ChunkId ids[] = { chunk_of (0, TRUE), chunk_of (1, TRUE), chunk_of (2, TRUE),
                    chunk_of (3, TRUE) };

  set_hosts (f, TRUE);
  want (f, &ids[0], FETCH_DEMAND, FETCH_FROM_ANYONE);
  FetchAsk *demand = assert_next (f, NOW, "peer+ 1!");
  want (f, &ids[1], FETCH_PROFILE, FETCH_FROM_ANYONE);
  want (f, &ids[2], FETCH_PROFILE, FETCH_FROM_ANYONE);
  FetchAsk *ahead = assert_next (f, NOW, "peer+ 2");
  fetch_schedule_doubt (f->schedule, demand, NOW + SEC);
  fetch_schedule_doubt (f->schedule, ahead, NOW + SEC);
  FetchAsk *other = assert_next (f, NOW + SEC, "srv 1!");
  want (f, &ids[1], FETCH_DEMAND, FETCH_FROM_ANYONE); // somebody begins to wait
  fetch_schedule_doubt (f->schedule, ahead, NOW + SEC);
  FetchAsk *second = assert_next (f, NOW + SEC, "srv 1!");
  want (f, &ids[3], FETCH_DEMAND, FETCH_FROM_ANYONE); // while it is doubted
  FetchAsk *third = assert_next (f, NOW + SEC, "srv 1!");
  fetch_schedule_doubt (f->schedule, demand, NOW + 2 * SEC);
  assert_next (f, NOW + 2 * SEC, "-");
  answer (f, other, &ids[0], TRUE);
  answer (f, demand, &ids[0], TRUE); // too late, and no harm
  answer (f, ahead, &ids[1], TRUE);
  answer (f, ahead, &ids[2], TRUE);
  answer (f, third, &ids[3], TRUE);
  g_assert_cmpuint (f->n_done, ==, 5);
  fetch_schedule_end (f->schedule, demand, NULL, STRIKE_SILENT, NOW);
  want (f, &ids[0], FETCH_DEMAND, FETCH_FROM_ANYONE);
  FetchAsk *again = assert_next (f, NOW + 2 * SEC, "peer+ 1!");
  answer (f, again, &ids[0], TRUE);
  fetch_schedule_end (f->schedule, again, NULL, STRIKE_SILENT, NOW);
  fetch_schedule_end (f->schedule, ahead, NULL, STRIKE_SILENT, NOW);
  fetch_schedule_end (f->schedule, other, NULL, STRIKE_SILENT, NOW);
  fetch_schedule_end (f->schedule, second, NULL, STRIKE_SILENT, NOW);
  fetch_schedule_end (f->schedule, third, NULL, STRIKE_SILENT, NOW);
}

/* Where there is nobody else, who is quiet is asked, once, and waited for.  */
static void
test_doubt_of_all (Fixture *f, gconstpointer data)
{
  ChunkId a = chunk_of (0, FALSE), b = chunk_of (1, FALSE);

  set_hosts (f, FALSE);
  want (f, &a, FETCH_DEMAND, FETCH_FROM_ANYONE);
  FetchAsk *ask = assert_next (f, NOW, "srv 1!");
  fetch_schedule_doubt (f->schedule, ask, NOW + SEC);
  assert_next (f, NOW + SEC, "-");
  want (f, &b, FETCH_DEMAND, FETCH_FROM_ANYONE);
  FetchAsk *second = assert_next (f, NOW + SEC, "srv 1!");
  answer (f, ask, &a, TRUE);
  answer (f, second, &b, TRUE);
  fetch_schedule_end (f->schedule, ask, NULL, STRIKE_SILENT, NOW);
  fetch_schedule_end (f->schedule, second, NULL, STRIKE_SILENT, NOW);
  g_assert_cmpuint (f->n_done, ==, 2);
}

/* The size of requests follows their time, and not more than some are on their way.  */
static void
test_batches (Fixture *f, gconstpointer data)
{
  gint64 now = NOW;

  set_hosts (f, FALSE);
  for (guint i = 0; i < 1000; i++)
    {
      ChunkId id = chunk_id_of (&i, sizeof i);
      want (f, &id, FETCH_BULK, FETCH_FROM_ANYONE);
    }
  FetchAsk *one = assert_next (f, now, "srv 16"), *two = assert_next (f, now, "srv 16");
  assert_next (f, now, "-");
  for (guint i = 0; i < 16; i++)
    answer (f, one, &one->want.chunks[i], TRUE);
  fetch_schedule_end (f->schedule, one, NULL, STRIKE_SILENT, now + 1000);
  FetchAsk *three = assert_next (f, now, "srv 32");
  for (guint i = 0; i < 16; i++)
    answer (f, two, &two->want.chunks[i], TRUE);
  fetch_schedule_end (f->schedule, two, NULL, STRIKE_SILENT, now + SEC);
  FetchAsk *four = assert_next (f, now, "srv 16");
  fetch_schedule_end (f->schedule, three, NULL, STRIKE_SILENT, now);
  fetch_schedule_end (f->schedule, four, NULL, STRIKE_SILENT, now);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*test) (Fixture *f, gconstpointer data);
  } TESTS[] = {
    { "not-asked-for", test_not_asked_for },
    { "next-host", test_next_host },
    { "reach", test_reach },
    { "raise", test_raise },
    { "deadlines", test_deadlines },
    { "patience", test_patience },
    { "batches", test_batches },
    { "doubt", test_doubt },
    { "doubt-of-all", test_doubt_of_all },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (TESTS); i++)
    {
      g_autofree char *path = g_strdup_printf ("/fetch-schedule/%s", TESTS[i].name);
      g_test_add (path, Fixture, NULL, set_up, TESTS[i].test, tear_down);
    }
  return g_test_run ();
}
