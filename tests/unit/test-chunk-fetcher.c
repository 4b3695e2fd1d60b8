// SPDX-License-Identifier: GPL-2.0-or-later
// Getting chunks from hosts of which some answer as no host should: every fetch ends right, or with
// an error in time, and nothing but what was asked for gets into the store.
#include <glib/gstdio.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "fake-host.h"
#include "network/chunk-fetcher.h"
#include "network/host-identity.h"
#include "network/rendezvous.h"
#include "network/revocation.h"
#include "network/site-client.h"
#include "qcow-backing/chunk-store.h"
#include "qcow-backing/privilege.h"
#include "qcow-backing/site.h"
#include "tests/unit/remove-tree.h"

#define CHUNKS    40
#define WAIT_USEC (60 * G_USEC_PER_SEC)

/* A host called me, of a site whose CA it has, and an empty store.  */
typedef struct
{
  char *directory;
  Config *config;
  CertificateAuthority *authority;
  HostIdentity *identity;
  SiteClient *client;
  HostList *list;
  ChunkStore *store;
  ChunkFetcher *fetcher;
  GMutex lock; // guards what follows
  GCond changed;
  guint n_done, n_failed;
  int code; // of the last failure
  char *message;
} Fixture;

static CertificateAuthority *
load_authority (const Config *config)
{
  g_autofree char *site = config_state_path (config, "site", NULL);
  CertificateAuthority *authority = host_identity_load_authority (site, NULL);

  g_assert_nonnull (authority);
  return authority;
}

static Config *
make_site (const char *directory, const char *name)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *state = g_build_filename (directory, name, NULL);
  g_autoptr (GError) error = NULL;

  g_key_file_set_value (file, "paths", "state", state);
  Config *config = config_from_key_file (file, "test", NULL);
  site_init (config, "test", host_identity_make, (gpointer) "me", &error);
  g_assert_no_error (error);
  return config;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_mutex_init (&f->lock);
  g_cond_init (&f->changed);
  f->directory = g_dir_make_tmp ("gild-fetcher-XXXXXX", NULL);
  f->config = make_site (f->directory, "state");
  f->authority = load_authority (f->config);
  f->identity = host_identity_load (f->config, &error);
  g_assert_no_error (error);
  f->client = site_client_new (f->identity, &error);
  g_assert_no_error (error);
  g_autofree char *hosts = g_build_filename (f->directory, "hosts.json", NULL);
  f->list = host_list_new (hosts, "me");
  f->fetcher = chunk_fetcher_new (f->config, f->client, f->list, &error);
  g_assert_no_error (error);
  g_autofree char *store = config_state_path (f->config, "store.castr", NULL);
  f->store = chunk_store_open (store, NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  chunk_fetcher_free (f->fetcher);
  chunk_store_free (f->store);
  host_list_free (f->list);
  site_client_free (f->client);
  host_identity_free (f->identity);
  certificate_authority_free (f->authority);
  config_free (f->config);
  remove_tree (f->directory);
  g_free (f->directory);
  g_free (f->message);
  g_mutex_clear (&f->lock);
  g_cond_clear (&f->changed);
}

static void
list_host (Fixture *f, const FakeHost *fake, const char *name, gboolean is_origin)
{
  g_autoptr (Host) host = host_new (name, "127.0.0.1", fake_host_port (fake));

  host->is_origin = is_origin;
  host->seen_us = g_get_monotonic_time ();
  g_assert_true (host_list_put (f->list, host));
}

static FakeHost *
add_host (Fixture *f, const char *name, gboolean is_origin, FakeBehaviour behaviour)
{
  FakeHost *fake = fake_host_new (f->authority, name, behaviour, CHUNKS);

  list_host (f, fake, name, is_origin);
  return fake;
}

static void
on_fetched (const ChunkId *id, const GError *error, gpointer data)
{
  Fixture *f = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&f->lock);

  f->n_done++;
  f->n_failed += error != NULL;
  if (error)
    {
      g_assert_true (error->domain == G_IO_ERROR);
      f->code = error->code;
      g_free (f->message);
      f->message = g_strdup (error->message);
    }
  g_cond_signal (&f->changed);
}

static void
want (Fixture *f, guint number, FetchUrgency urgency, FetchReach reach, guint deadline_seconds)
{
  guint8 data[CHUNK_SIZE];
  ChunkId id = fake_chunk (number, data);

  chunk_fetcher_want (f->fetcher, &id, urgency, reach, deadline_seconds, on_fetched, f);
}

/* Until N chunks have come or failed.  */
static void
wait_done (Fixture *f, guint n)
{
  gint64 end = g_get_monotonic_time () + WAIT_USEC;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&f->lock);

  while (f->n_done < n)
    g_assert_true (g_cond_wait_until (&f->changed, &f->lock, end));
  g_assert_cmpuint (f->n_done, ==, n);
}

static void
assert_all_there (Fixture *f)
{
  for (guint i = 0; i < CHUNKS; i++)
    {
      guint8 data[CHUNK_SIZE], buffer[CHUNK_SIZE];
      ChunkId id = fake_chunk (i, data);
      g_assert_true (chunk_store_read (f->store, &id, CHUNK_READ_HASH, buffer, CHUNK_SIZE, NULL));
      g_assert_cmpmem (buffer, CHUNK_SIZE, data, CHUNK_SIZE);
    }
}

/* Whatever else is in the store is not what it says.  */
static gboolean
assert_wanted (const ChunkId *id, gpointer data, GError **error)
{
  guint8 buffer[CHUNK_SIZE];

  for (guint i = 0; i < CHUNKS; i++)
    {
      ChunkId wanted = fake_chunk (i, buffer);
      if (chunk_id_equal (id, &wanted))
        return TRUE;
    }
  g_assert_not_reached ();
}

typedef struct
{
  const char *name;
  FakeBehaviour behaviour;
  gboolean is_blameless; // nothing that a host must not do: it is not struck
} Bad;

static const Bad BAD[] = {
  { "has nothing", FAKE_HAS_NOTHING, TRUE },
  { "wrong bytes", FAKE_WRONG_BYTES },
  { "a bomb", FAKE_BOMB },
  { "garbage", FAKE_GARBAGE },
  { "records that are too long", FAKE_WRONG_LENGTH },
  { "records of a wrong length", FAKE_SHORT_LENGTH },
  { "chunks that nobody asked for, without an end", FAKE_OTHER_CHUNKS },
  { "everything twice", FAKE_TWICE },
  { "cut short", FAKE_CUT },
  { "silent", FAKE_SILENT },
  { "silent in the middle", FAKE_SILENT_IN_RECORD },
  { "a byte now and then", FAKE_TRICKLE },
  { "another type", FAKE_NO_CHUNKS },
  { "an error", FAKE_ERROR },
  { "a redirect", FAKE_REDIRECT },
  { "no TLS", FAKE_DEAF },
  { "full", FAKE_FULL },
  { "gone", FAKE_GONE },
};

/* A peer that does so, and a good origin: everything comes, in time.  */
static void
test_bad_peer (Fixture *f, gconstpointer data)
{
  const Bad *bad = data;
  g_autoptr (FakeHost) origin = add_host (f, "srv", TRUE, FAKE_GOOD);
  g_autoptr (FakeHost) peer = add_host (f, "peer", FALSE, bad->behaviour);
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < CHUNKS; i++)
    want (f, i, i % 2 ? FETCH_BULK : FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
  wait_done (f, CHUNKS);
  g_assert_cmpuint (f->n_failed, ==, 0);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 30 * G_USEC_PER_SEC);
  assert_all_there (f);
  g_assert_true (chunk_fetcher_flush (f->fetcher, NULL));
  g_assert_true (chunk_store_foreach (f->store, assert_wanted, NULL, NULL));
}

/* The same in the middle: the peer was good so far, and is struck, or asked again.  */
static void
test_turns_bad (Fixture *f, gconstpointer data)
{
  const Bad *bad = data;
  g_autoptr (FakeHost) origin = add_host (f, "srv", TRUE, FAKE_GOOD);
  g_autoptr (FakeHost) peer = add_host (f, "peer", FALSE, FAKE_GOOD);

  for (guint i = 0; i < CHUNKS / 2; i++)
    want (f, i, FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
  wait_done (f, CHUNKS / 2);
  guint good = fake_host_counts (peer).chunks;
  g_assert_cmpuint (good, >, 0);
  g_assert_cmpuint (good, ==, fake_host_counts (peer).forwarded);
  fake_host_behave (peer, bad->behaviour);
  for (guint i = CHUNKS / 2; i < CHUNKS; i++)
    {
      want (f, i, FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
      wait_done (f, i + 1);
    }
  g_assert_cmpuint (f->n_failed, ==, 0);
  assert_all_there (f);
  // One request was wasted on it, or a few on a machine that is busy itself.
  if (!bad->is_blameless)
    g_assert_cmpuint (fake_host_counts (peer).chunks, <=, good + 3);
  g_assert_cmpuint (fake_host_counts (origin).forwarded, ==, 0);
}

/* The only origin does so: the fetch fails at the deadline, and is well again when that is.  */
static void
test_bad_origin (Fixture *f, gconstpointer data)
{
  const Bad *bad = data;
  g_autoptr (FakeHost) origin = add_host (f, "srv", TRUE, bad->behaviour);
  gint64 start = g_get_monotonic_time ();

  want (f, 0, FETCH_DEMAND, FETCH_FROM_ANYONE, 1);
  wait_done (f, 1);
  g_assert_cmpuint (f->n_failed, ==, 1);
  g_assert_cmpint (f->code, ==, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, G_USEC_PER_SEC);
  if (bad->behaviour >= FAKE_DEAF)
    return;
  fake_host_behave (origin, FAKE_GOOD);
  want (f, 0, FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
  wait_done (f, 2);
  g_assert_cmpuint (f->n_failed, ==, 1);
}

static void
assert_stranger_is_left (Fixture *f, FakeHost *peer)
{
  g_autoptr (FakeHost) origin = add_host (f, "srv", TRUE, FAKE_GOOD);

  list_host (f, peer, "peer", FALSE);
  for (guint i = 0; i < CHUNKS; i++)
    want (f, i, FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
  wait_done (f, CHUNKS);
  g_assert_cmpuint (f->n_failed, ==, 0);
  g_assert_cmpuint (fake_host_counts (peer).requests, ==, 0);
  g_assert_cmpuint (fake_host_counts (origin).chunks, ==, CHUNKS);
}

/* The certificate of another site, of another host, and of one that was removed.  */
static void
test_other_site (Fixture *f, gconstpointer data)
{
  g_autoptr (Config) other = make_site (f->directory, "other");
  g_autoptr (CertificateAuthority) authority = load_authority (other);
  g_autoptr (FakeHost) peer = fake_host_new (authority, "peer", FAKE_GOOD, CHUNKS);

  assert_stranger_is_left (f, peer);
}

static void
test_other_name (Fixture *f, gconstpointer data)
{
  g_autoptr (FakeHost) peer = fake_host_new (f->authority, "srv", FAKE_GOOD, CHUNKS);

  assert_stranger_is_left (f, peer);
}

static void
test_removed (Fixture *f, gconstpointer data)
{
  g_autoptr (FakeHost) peer = fake_host_new (f->authority, "peer", FAKE_GOOD, CHUNKS);
  g_autoptr (GError) error = NULL;
  const char *pem = fake_host_certificate (peer);
  gnutls_x509_crt_t certificate = certificate_parse (pem, strlen (pem), &error);

  g_assert_no_error (error);
  revocation_add (f->authority, f->identity->crl_path, certificate, &error);
  g_assert_no_error (error);
  gnutls_x509_crt_deinit (certificate);
  assert_stranger_is_left (f, peer);
}

static void
test_alone (Fixture *f, gconstpointer data)
{
  gint64 start = g_get_monotonic_time ();

  want (f, 0, FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
  wait_done (f, 1);
  g_assert_cmpint (f->code, ==, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (f->message, "no other host"));
  g_assert_cmpint (g_get_monotonic_time () - start, <, 20 * G_USEC_PER_SEC);
}

/* Who does not wait is told so at once; who waits, waits for a host that has it.  */
static void
test_nobody_has_it (Fixture *f, gconstpointer data)
{
  g_autoptr (FakeHost) origin = add_host (f, "srv", TRUE, FAKE_HAS_NOTHING);
  g_autoptr (FakeHost) peer = add_host (f, "peer", FALSE, FAKE_HAS_NOTHING);

  want (f, 0, FETCH_BULK, FETCH_FROM_ANYONE, 30);
  wait_done (f, 1);
  g_assert_cmpint (f->code, ==, G_IO_ERROR_NOT_FOUND);
  want (f, 1, FETCH_DEMAND, FETCH_ON_BEHALF, 30);
  wait_done (f, 2);
  g_assert_cmpint (f->code, ==, G_IO_ERROR_NOT_FOUND);
  f->code = 0;
  want (f, 2, FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
  want (f, 2, FETCH_DEMAND, FETCH_FROM_ANYONE, 1);
  wait_done (f, 3);
  g_assert_cmpint (f->code, ==, G_IO_ERROR_TIMED_OUT);
  fake_host_behave (origin, FAKE_GOOD);
  wait_done (f, 4);
  g_assert_cmpuint (f->n_failed, ==, 3);
}

/* On behalf of another host the peers are not asked.  */
static void
test_reach (Fixture *f, gconstpointer data)
{
  g_autoptr (FakeHost) origin = add_host (f, "srv", TRUE, FAKE_GOOD);
  g_autoptr (FakeHost) peer = add_host (f, "peer", FALSE, FAKE_SILENT);

  for (guint i = 0; i < CHUNKS; i++)
    want (f, i, FETCH_DEMAND, FETCH_ON_BEHALF, 30);
  wait_done (f, CHUNKS);
  g_assert_cmpuint (f->n_failed, ==, 0);
  g_assert_cmpuint (fake_host_counts (peer).requests, ==, 0);
  assert_all_there (f);
}

/* However many want a chunk, it is asked for once; and not at all when it is there.  */
static void
test_once (Fixture *f, gconstpointer data)
{
  g_autoptr (FakeHost) origin = add_host (f, "srv", TRUE, FAKE_GOOD);
  ChunkFetcherStats stats;

  for (guint i = 0; i < 20; i++)
    for (guint j = 0; j < CHUNKS; j++)
      want (f, j, (FetchUrgency)(i % 4), FETCH_FROM_ANYONE, 30);
  wait_done (f, 20 * CHUNKS);
  for (guint j = 0; j < CHUNKS; j++)
    want (f, j, FETCH_BULK, FETCH_FROM_ANYONE, 30);
  wait_done (f, 21 * CHUNKS);
  g_assert_cmpuint (f->n_failed, ==, 0);
  g_assert_cmpuint (fake_host_counts (origin).chunks, ==, CHUNKS);
  chunk_fetcher_stats (f->fetcher, &stats);
  g_assert_cmpuint (stats.chunks, ==, CHUNKS);
  g_assert_cmpuint (stats.wanted, ==, 0);
  g_assert_cmpuint (stats.peer_bytes, ==, 0);
  g_assert_cmpuint (stats.origin_bytes, >, CHUNKS * 1000);
}

/* What is wanted at the end is told so.  */
static void
test_end (Fixture *f, gconstpointer data)
{
  g_autoptr (FakeHost) origin = add_host (f, "srv", TRUE, FAKE_SILENT);

  for (guint i = 0; i < CHUNKS; i++)
    want (f, i, i % 2 ? FETCH_BULK : FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
  g_clear_pointer (&f->fetcher, chunk_fetcher_free);
  wait_done (f, CHUNKS);
  g_assert_cmpuint (f->n_failed, ==, CHUNKS);
  g_assert_cmpint (f->code, ==, G_IO_ERROR_CANCELLED);
}

/* One origin dies in the middle, and another is there.  */
static void
test_second_origin (Fixture *f, gconstpointer data)
{
  FakeHost *one = add_host (f, "one", TRUE, FAKE_GOOD);
  g_autoptr (FakeHost) two = add_host (f, "two", TRUE, FAKE_GOOD);

  for (guint i = 0; i < CHUNKS / 2; i++)
    want (f, i, FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
  wait_done (f, CHUNKS / 2);
  g_assert_cmpuint (fake_host_counts (one).chunks, >, 0);
  g_assert_cmpuint (fake_host_counts (two).chunks, >, 0);
  fake_host_free (one);
  for (guint i = CHUNKS / 2; i < CHUNKS; i++)
    want (f, i, FETCH_DEMAND, FETCH_FROM_ANYONE, 30);
  wait_done (f, CHUNKS);
  g_assert_cmpuint (f->n_failed, ==, 0);
  assert_all_there (f);
}

/* What would connect is lost, and TCP says it again in a second: meanwhile others are asked for
   what somebody waits for, and the host is not left alone.  */
static void
test_lost_connection (Fixture *f, gconstpointer data)
{
  g_autoptr (FakeHost) origin = add_host (f, "srv", TRUE, FAKE_GOOD);
  g_autoptr (FakeHost) peer = add_host (f, "peer", FALSE, FAKE_FULL);
  guint8 bytes[CHUNK_SIZE];
  guint n = 0;

  for (guint i = 0; i < CHUNKS; i++)
    {
      ChunkId id = fake_chunk (i, bytes);
      if (rendezvous_weight (&id, "peer") < rendezvous_weight (&id, "me"))
        continue;
      want (f, i, n == 0 ? FETCH_DEMAND : FETCH_BULK, FETCH_FROM_ANYONE, 30);
      if (n++ > 0)
        continue;
      wait_done (f, 1);
      g_assert_cmpuint (fake_host_counts (origin).chunks, ==, 1);
      fake_host_behave (peer, FAKE_GOOD);
    }
  g_assert_cmpuint (n, >, 1);
  wait_done (f, n);
  g_assert_cmpuint (f->n_failed, ==, 0);
  g_assert_cmpuint (fake_host_counts (peer).chunks, >=, n - 1);
  g_assert_cmpuint (fake_host_counts (origin).chunks, ==, 1);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*test) (Fixture *f, gconstpointer data);
  } TESTS[] = {
    { "other-site", test_other_site },
    { "other-name", test_other_name },
    { "removed", test_removed },
    { "alone", test_alone },
    { "nobody-has-it", test_nobody_has_it },
    { "reach", test_reach },
    { "once", test_once },
    { "end", test_end },
    { "second-origin", test_second_origin },
    { "lost-connection", test_lost_connection },
  };

  const struct passwd *nobody = geteuid () == 0 ? getpwnam ("nobody") : NULL;

  g_test_init (&argc, &argv, NULL);
  if (nobody && !privilege_change_user (nobody->pw_uid, nobody->pw_gid)) // root's sites are gild's
    return 1;
  for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++)
    {
      g_autofree char *peer = g_strdup_printf ("/chunk-fetcher/bad-peer/%s", BAD[i].name);
      g_autofree char *turns = g_strdup_printf ("/chunk-fetcher/turns-bad/%s", BAD[i].name);
      g_autofree char *origin = g_strdup_printf ("/chunk-fetcher/bad-origin/%s", BAD[i].name);
      g_test_add (peer, Fixture, &BAD[i], set_up, test_bad_peer, tear_down);
      if (BAD[i].behaviour < FAKE_DEAF)
        g_test_add (turns, Fixture, &BAD[i], set_up, test_turns_bad, tear_down);
      if (BAD[i].behaviour != FAKE_TWICE) // the first was good
        g_test_add (origin, Fixture, &BAD[i], set_up, test_bad_origin, tear_down);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (TESTS); i++)
    {
      g_autofree char *path = g_strdup_printf ("/chunk-fetcher/%s", TESTS[i].name);
      g_test_add (path, Fixture, NULL, set_up, TESTS[i].test, tear_down);
    }
  return g_test_run ();
}
