// SPDX-License-Identifier: GPL-2.0-or-later
// The chunk cache: what fails to load, how much it holds, and many threads at once.

#include "qcow-backing/chunk-cache.h"

#include <string.h>

#include "qcow-backing/fail.h"

#define N_THREADS 8u

static ChunkId
make_id (guint n)
{
  return chunk_id_of (&n, sizeof n);
}

/* What the chunks of these tests come from.  */
typedef struct
{
  gint loads;   // that were started
  gint running; // of them, now
  gint failing; // whether they fail
  GMutex lock;
  GCond changed;
  gboolean closed; // a load waits while the gate is closed
} Source;

static gboolean
load (const ChunkId *id, guint8 *buffer, gsize size, gpointer data, GError **error)
{
  Source *source = data;

  g_atomic_int_inc (&source->loads);
  g_atomic_int_inc (&source->running);
  g_mutex_lock (&source->lock);
  g_cond_broadcast (&source->changed);
  while (source->closed)
    g_cond_wait (&source->changed, &source->lock);
  g_mutex_unlock (&source->lock);
  g_atomic_int_add (&source->running, -1);
  if (g_atomic_int_get (&source->failing))
    return fail (error, "the source fails");
  memset (buffer, id->bytes[0], size);
  return TRUE;
}

static void
set_closed (Source *source, gboolean closed)
{
  g_mutex_lock (&source->lock);
  source->closed = closed;
  g_cond_broadcast (&source->changed);
  g_mutex_unlock (&source->lock);
}

static void
wait_for_loads (Source *source, gint loads)
{
  g_mutex_lock (&source->lock);
  while (g_atomic_int_get (&source->loads) < loads)
    g_cond_wait (&source->changed, &source->lock);
  g_mutex_unlock (&source->lock);
}

static ChunkCache *
new_cache (guint64 capacity)
{
  g_autoptr (GError) error = NULL;
  ChunkCache *cache = chunk_cache_new (capacity, &error);

  g_assert_no_error (error);
  return cache;
}

static void
get_and_release (ChunkCache *cache, Source *source, guint n)
{
  g_autoptr (GError) error = NULL;
  ChunkId id = make_id (n);
  const guint8 *bytes = chunk_cache_get (cache, &id, CHUNK_SIZE, load, source, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (bytes[0], ==, id.bytes[0]);
  g_assert_cmpuint (bytes[CHUNK_SIZE - 1], ==, id.bytes[0]);
  chunk_cache_release (cache, bytes);
}

static void
test_failure_is_not_remembered (void)
{
  g_autoptr (ChunkCache) cache = new_cache (4 * CHUNK_SIZE);
  Source source = { .failing = TRUE };
  ChunkId id = make_id (1);

  for (guint i = 0; i < 10; i++) // more often than there are slots
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (chunk_cache_get (cache, &id, CHUNK_SIZE, load, &source, &error));
      g_assert_cmpstr (error->message, ==, "the source fails");
    }
  g_assert_null (chunk_cache_get (cache, &id, CHUNK_SIZE, load, &source, NULL));
  g_assert_cmpint (source.loads, ==, 11);
  source.failing = FALSE;
  get_and_release (cache, &source, 1);
  g_assert_cmpint (source.loads, ==, 12);
}

static void
test_too_large_a_mapping (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (chunk_cache_new (G_MAXUINT64, &error));
  g_assert_nonnull (error);
}

static void
test_capacity (void)
{
  static const struct
  {
    guint64 capacity;
    guint chunks;
  } CASES[] = {
    { 0, 1 },
    { CHUNK_SIZE - 1, 1 },
    { CHUNK_SIZE, 1 },
    { 2 * CHUNK_SIZE - 1, 1 },
    { 5 * CHUNK_SIZE, 5 },
    { 63 * CHUNK_SIZE, 63 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++)
    {
      g_autoptr (ChunkCache) cache = new_cache (CASES[i].capacity);
      Source source = { 0 };
      guint n = CASES[i].chunks;

      for (guint round = 0; round < 2; round++)
        for (guint k = 0; k < n; k++)
          get_and_release (cache, &source, k);
      g_assert_cmpint (source.loads, ==, n); // all of them fit
      get_and_release (cache, &source, n);
      for (guint k = 0; k <= n; k++)
        get_and_release (cache, &source, k);
      g_assert_cmpint (source.loads, >, n + 1); // and no more than that
    }
}

static void
test_read_again_stays (void)
{
  g_autoptr (ChunkCache) cache = new_cache (16 * CHUNK_SIZE);
  Source source = { 0 };

  for (guint k = 0; k < 1000; k++)
    {
      get_and_release (cache, &source, 0);
      get_and_release (cache, &source, k);
    }
  g_assert_cmpint (source.loads, ==, 1000); // chunk 0 once
}

static void
test_short_chunk (void)
{
  g_autoptr (ChunkCache) cache = new_cache (CHUNK_SIZE);
  Source source = { 0 };
  g_autoptr (GError) error = NULL;
  ChunkId id = make_id (1);

  get_and_release (cache, &source, 2);
  const guint8 *bytes = chunk_cache_get (cache, &id, 1, load, &source, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (bytes[0], ==, id.bytes[0]);
  chunk_cache_release (cache, bytes);
}

static void
test_has (void)
{
  g_autoptr (ChunkCache) cache = new_cache (2 * CHUNK_SIZE);
  Source source = { 0 };
  ChunkId first = make_id (1), second = make_id (2), third = make_id (3);

  g_assert_false (chunk_cache_has (cache, &first));
  get_and_release (cache, &source, 1);
  g_assert_true (chunk_cache_has (cache, &first));
  g_assert_false (chunk_cache_has (cache, &second));
  g_assert_true (chunk_cache_has_room (cache, &second));
  get_and_release (cache, &source, 2);
  g_assert_false (chunk_cache_has_room (cache, &third));
  get_and_release (cache, &source, 3);
  g_assert_true (chunk_cache_has (cache, &third));
  g_assert_false (chunk_cache_has (cache, &first));
}

typedef struct
{
  ChunkCache *cache;
  Source *source;
  guint n; // the chunk, or where a random walk starts
  guint failures;
} Reader;

static gpointer
read_one (gpointer data)
{
  Reader *reader = data;
  g_autoptr (GError) error = NULL;
  ChunkId id = make_id (reader->n);
  const guint8 *bytes =
      chunk_cache_get (reader->cache, &id, CHUNK_SIZE, load, reader->source, &error);

  if (bytes)
    {
      g_assert_cmpuint (bytes[CHUNK_SIZE - 1], ==, id.bytes[0]);
      chunk_cache_release (reader->cache, bytes);
    }
  else
    {
      g_assert_cmpstr (error->message, ==, "the source fails");
      reader->failures++;
    }
  return NULL;
}

/* A chunk that is on its way is had, until it turns out not to come.  */
static void
test_has_while_loading (gconstpointer data)
{
  gboolean failing = GPOINTER_TO_INT (data);
  g_autoptr (ChunkCache) cache = new_cache (2 * CHUNK_SIZE);
  Source source = { .closed = TRUE, .failing = failing };
  Reader reader = { .cache = cache, .source = &source, .n = 1 };
  ChunkId id = make_id (1);

  GThread *thread = g_thread_new ("reader", read_one, &reader);
  wait_for_loads (&source, 1);
  g_assert_true (chunk_cache_has (cache, &id));
  set_closed (&source, FALSE);
  g_thread_join (thread);
  g_assert_true (chunk_cache_has (cache, &id) == !failing);
}

/* All want one chunk while it loads: there is one load, and all get its result.  */
static void
test_one_load_for_all (gconstpointer data)
{
  gboolean failing = GPOINTER_TO_INT (data);
  g_autoptr (ChunkCache) cache = new_cache (2 * CHUNK_SIZE);
  Source source = { .closed = TRUE, .failing = failing };
  Reader readers[N_THREADS];
  GThread *threads[N_THREADS];
  guint failures = 0;

  for (guint i = 0; i < N_THREADS; i++)
    {
      readers[i] = (Reader){ .cache = cache, .source = &source, .n = 7 };
      threads[i] = g_thread_new ("reader", read_one, &readers[i]);
    }
  wait_for_loads (&source, 1);
  g_usleep (50000); // time for a second load that must not be, not for one that must
  g_assert_cmpint (g_atomic_int_get (&source.loads), ==, 1);
  set_closed (&source, FALSE);
  for (guint i = 0; i < N_THREADS; i++)
    {
      g_thread_join (threads[i]);
      failures += readers[i].failures;
    }
  g_assert_cmpuint (failures, ==, failing ? N_THREADS : 0);
  if (!failing)
    g_assert_cmpint (source.loads, ==, 1); // who came late to a failure loads again
}

/* More readers than slots, each of another chunk: who finds no slot waits, and all end.  */
static void
test_wait_for_a_slot (void)
{
  g_autoptr (ChunkCache) cache = new_cache (2 * CHUNK_SIZE);
  Source source = { .closed = TRUE };
  Reader readers[N_THREADS];
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    {
      readers[i] = (Reader){ .cache = cache, .source = &source, .n = i };
      threads[i] = g_thread_new ("reader", read_one, &readers[i]);
    }
  wait_for_loads (&source, 2);
  g_usleep (50000);
  g_assert_cmpint (g_atomic_int_get (&source.running), ==, 2);
  set_closed (&source, FALSE);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (source.loads, ==, N_THREADS);
}

static gpointer
read_many (gpointer data)
{
  Reader *reader = data;
  guint state = reader->n;

  for (guint i = 0; i < 5000; i++)
    {
      state = state * 1664525u + 1013904223u;
      Reader one = { .cache = reader->cache, .source = reader->source, .n = (state >> 16) % 100 };
      read_one (&one);
      reader->failures += one.failures;
      if (reader->n == 0 && i % 500 == 0)
        g_atomic_int_set (&reader->source->failing, i % 1000 == 0);
    }
  return NULL;
}

/* A cache of half of what is read, with loads that fail now and then.  */
static void
test_many_threads (gconstpointer capacity)
{
  g_autoptr (ChunkCache) cache = new_cache (GPOINTER_TO_UINT (capacity));
  Source source = { 0 };
  Reader readers[N_THREADS];
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    {
      readers[i] = (Reader){ .cache = cache, .source = &source, .n = i };
      threads[i] = g_thread_new ("reader", read_many, &readers[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (source.running, ==, 0);
  source.failing = FALSE;
  for (guint k = 0; k < 100; k++)
    get_and_release (cache, &source, k);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/chunk-cache/failure-is-not-remembered", test_failure_is_not_remembered);
  g_test_add_func ("/chunk-cache/too-large-a-mapping", test_too_large_a_mapping);
  g_test_add_func ("/chunk-cache/capacity", test_capacity);
  g_test_add_func ("/chunk-cache/read-again-stays", test_read_again_stays);
  g_test_add_func ("/chunk-cache/short-chunk", test_short_chunk);
  g_test_add_func ("/chunk-cache/has", test_has);
  g_test_add_data_func ("/chunk-cache/has-while-loading", GINT_TO_POINTER (FALSE),
                        test_has_while_loading);
  g_test_add_data_func ("/chunk-cache/has-not-when-failed", GINT_TO_POINTER (TRUE),
                        test_has_while_loading);
  g_test_add_data_func ("/chunk-cache/one-load-for-all", GINT_TO_POINTER (FALSE),
                        test_one_load_for_all);
  g_test_add_data_func ("/chunk-cache/one-failure-for-all", GINT_TO_POINTER (TRUE),
                        test_one_load_for_all);
  g_test_add_func ("/chunk-cache/wait-for-a-slot", test_wait_for_a_slot);
  g_test_add_data_func ("/chunk-cache/many-threads-one-slot", GUINT_TO_POINTER (CHUNK_SIZE),
                        test_many_threads);
  g_test_add_data_func ("/chunk-cache/many-threads", GUINT_TO_POINTER (64 * CHUNK_SIZE),
                        test_many_threads);
  return g_test_run ();
}
