// SPDX-License-Identifier: GPL-2.0-or-later
// What a host of a site does by itself: heartbeats to the origins, the records that they have and
// it has not, completing versions, and keeping its store within its limit.
//
// One thread goes round; completing versions has another one (prefetch.c), since it takes hours
// where a round takes an instant.

#include "upkeep.h"

#include "heartbeat.h"
#include "lan-hint.h"
#include "origin-sync.h"
#include "prefetch-choice.h"
#include "prefetch.h"
#include "running-versions.h"
#include "qcow-backing/gc.h"
#include "revocation.h"
#include "rollouts.h"

#define ROUND_SECONDS 10.0 // and as long again as a fifth of it, so that hosts do not fall in step
#define ANXIOUS_SECONDS                                                                            \
  2.0 // while no origin answers, records are still to come, or a rollout goes on
#define HOLDINGS_ROUNDS 3 // in one of so many it asks what others have and run
#define SCAN_CHUNKS     20000
#define WARN_SECONDS    (G_GINT64_CONSTANT (24) * 3600)
#define LIMIT_SECONDS   600 // the store's size is measured so often, where it has a limit
#define HINT_SECONDS    30  // and so often Avahi is asked, while no origin answers
#define CALLS_MAX       4   // silent hosts that are called in a round
#define PEER_CALLS_MAX  16  // peers that are called in a round while no origin answers
#define PEER_SECONDS    15  // when a peer was heard of then it need not be called

struct Upkeep
{
  const Config *config;
  HostList *list;
  char *crl_path;
  ImageLibrary *library;
  Completeness *completeness;
  Heartbeats *heartbeats;
  RecordSync sync;
  OriginSync origin_sync;
  Prefetch *prefetch;
  Rollouts *rollouts; // the thread's own
  gint stopping;
  gint64 measured_us; // the store's size; this and the next are the thread's own
  gint64 warned_us;   // of records that have expired
  gint64 hinted_us;   // when Avahi was asked
  guint called;       // the silent host that was called last, as a number
  GThread *thread;
  GMutex lock; // guards what follows
  GCond poked;
  gboolean is_poked;
  char *trouble; // why no origin answers; NULL: one does, or there is none
};

/* Note WHY no origin answers, or with NULL that one does; said once.  */
static void
set_trouble (Upkeep *upkeep, const char *why)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&upkeep->lock);

  if (why && !upkeep->trouble)
    g_message ("no origin answers, desktops boot from what this host and its peers have: %s", why);
  else if (!why && upkeep->trouble)
    g_message ("an origin answers again");
  g_free (upkeep->trouble);
  upkeep->trouble = g_strdup (why);
}

/* Speak to the origins in HOSTS, none of which answers, at the addresses that Avahi has for them.
   Whoever is there has to have the origin's certificate; the list takes the address then.  */
static gboolean
speak_by_hint (Upkeep *upkeep, const GPtrArray *hosts, gboolean *more)
{
  gint64 now_us = g_get_monotonic_time ();
  gboolean answered = FALSE;

  if (upkeep->hinted_us && now_us - upkeep->hinted_us < HINT_SECONDS * G_USEC_PER_SEC)
    return FALSE;
  upkeep->hinted_us = now_us;
  for (guint i = 0; i < hosts->len; i++)
    {
      const Host *host = hosts->pdata[i];
      g_autoptr (GPtrArray) addresses = host->is_origin ? lan_hint_find (host->name) : NULL;
      for (guint j = 0; addresses && j < addresses->len; j++)
        {
          const char *address = addresses->pdata[j];
          g_autoptr (Host) elsewhere = host_with_address (host, address, host->port);
          if (g_str_equal (address, host->address) || g_atomic_int_get (&upkeep->stopping)
              || !origin_sync_run (&upkeep->origin_sync, elsewhere, TRUE, more, NULL))
            continue;
          g_message ("%s is at %s by now", host->name, address);
          answered = TRUE;
          break;
        }
    }
  return answered;
}

/* Speak to every origin; whether there is more to come from one soon.  */
static gboolean
speak (Upkeep *upkeep, gboolean with_holdings)
{
  g_autoptr (GPtrArray) hosts = host_list_get (upkeep->list);
  g_autoptr (GError) error = NULL;
  gboolean answered = FALSE, more = FALSE;

  for (guint i = 0; i < hosts->len && !g_atomic_int_get (&upkeep->stopping); i++)
    {
      const Host *host = hosts->pdata[i];
      if (!host->is_origin)
        continue;
      g_clear_error (&error);
      if (origin_sync_run (&upkeep->origin_sync, host, with_holdings, &more, &error))
        answered = TRUE;
      else
        g_debug ("%s: %s", host->name, error->message);
    }
  if (!answered && error)
    answered = speak_by_hint (upkeep, hosts, &more);
  set_trouble (upkeep, answered || !error ? NULL : error->message);
  return more || (!answered && error);
}

/* Call some of HOSTS that have not been heard of for long, one after the other: most are switched
   off.  */
static void
call_silent (Upkeep *upkeep, GPtrArray *hosts)
{
  gboolean more;

  for (guint i = 0, calls = 0; i < hosts->len && calls < CALLS_MAX; i++)
    {
      const Host *host = hosts->pdata[upkeep->called++ % hosts->len];
      if (host->is_origin || host_is_live (host, g_get_monotonic_time ())
          || g_atomic_int_get (&upkeep->stopping))
        continue;
      calls++;
      origin_sync_run (&upkeep->origin_sync, host, FALSE, &more, NULL);
    }
}

/* Call some of HOSTS that live, and otherwise would soon be thought not to.  */
static void
call_live (Upkeep *upkeep, GPtrArray *hosts)
{
  gboolean more;

  for (guint i = 0, calls = 0; i < hosts->len && calls < PEER_CALLS_MAX; i++)
    {
      const Host *host = hosts->pdata[i];
      gint64 now_us = g_get_monotonic_time ();
      if (host->is_origin || !host_is_live (host, now_us)
          || now_us - host->seen_us < PEER_SECONDS * G_USEC_PER_SEC
          || g_atomic_int_get (&upkeep->stopping))
        continue;
      calls++;
      origin_sync_run (&upkeep->origin_sync, host, TRUE, &more, NULL);
    }
}

/* Call hosts that are no origins.  An origin does it so that they learn where it is, if its address
   has changed; others do while no origin answers that could tell them who is there.  */
static void
call_others (Upkeep *upkeep)
{
  g_autoptr (Host) own = heartbeats_own_host (upkeep->heartbeats);
  g_autoptr (GPtrArray) hosts = host_list_get (upkeep->list);
  gboolean is_alone = upkeep->trouble != NULL; // only this thread writes it

  if (is_alone)
    call_live (upkeep, hosts);
  if (is_alone || own->is_origin)
    call_silent (upkeep, hosts);
}

static void
count_revoked (Upkeep *upkeep)
{
  g_autoptr (GError) error = NULL;
  guint64 number;

  if (revocation_number (upkeep->crl_path, &number, &error))
    heartbeats_set_crl (upkeep->heartbeats, number);
  else
    g_message ("%s", error->message);
}

/* Tell the fetcher whether this host is an origin, which `gild replica` may change.  */
static void
note_role (Upkeep *upkeep)
{
  g_autoptr (Host) own = heartbeats_own_host (upkeep->heartbeats);

  chunk_fetcher_set_origin (upkeep->sync.fetcher, own->is_origin);
}

/* Once a day: say which channel records have expired.  */
static void
warn_of_expired (Upkeep *upkeep)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GPtrArray) images = NULL;
  gint64 now_us = g_get_monotonic_time ();

  if (upkeep->warned_us && now_us - upkeep->warned_us < WARN_SECONDS * G_USEC_PER_SEC)
    return;
  upkeep->warned_us = now_us;
  images = image_library_images (upkeep->library, NULL);
  for (guint i = 0; images && i < images->len; i++)
    {
      g_autoptr (ChannelRecord) record =
          image_library_load_channels (upkeep->library, images->pdata[i], NULL);
      if (record && channel_record_is_expired (record, now))
        g_message ("the channel record of %s expired at %s, and is used: publish again",
                   record->image, record->expires);
    }
}

/* Where the store has a limit, and is larger: let versions go.  */
static void
keep_limit (Upkeep *upkeep)
{
  GcOptions options = { .limit_bytes = upkeep->config->store_limit_bytes };
  g_auto (GcResult) result = { 0 };
  g_autoptr (GError) error = NULL;
  gint64 now_us = g_get_monotonic_time ();

  if (upkeep->measured_us && now_us - upkeep->measured_us < LIMIT_SECONDS * G_USEC_PER_SEC)
    return;
  upkeep->measured_us = now_us;
  if (prefetch_has_room (upkeep->config, upkeep->library, 0))
    return;
  g_autoptr (JsonObject) hosts = host_list_to_json (upkeep->list, NULL);
  g_autoptr (GHashTable) running = running_versions_in (hosts, upkeep->config->hosts_days, &error);
  options.elsewhere = running;
  if (!running
      || !gc_run (upkeep->config, upkeep->library, &options, &upkeep->stopping, &result, &error))
    g_message ("the store is larger than [store] limit=: %s", error->message);
  for (guint i = 0; result.versions && i < result.versions->len; i++)
    g_message ("%s is removed: the store is larger than [store] limit=",
               (char *)result.versions->pdata[i]);
}

/* Wait for SECONDS, more or less, or until somebody pokes.  */
static void
rest (Upkeep *upkeep, double seconds)
{
  gint64 end = g_get_monotonic_time ()
               + (gint64)(seconds * g_random_double_range (0.8, 1.2) * G_USEC_PER_SEC);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&upkeep->lock);

  while (!upkeep->is_poked && g_cond_wait_until (&upkeep->poked, &upkeep->lock, end))
    ;
  upkeep->is_poked = FALSE;
}

static void
save_hosts (Upkeep *upkeep)
{
  g_autoptr (GError) error = NULL;

  if (!host_list_save (upkeep->list, &error))
    g_message ("%s", error->message);
}

static gpointer
run (gpointer data)
{
  Upkeep *upkeep = data;

  completeness_scan (upkeep->completeness, SCAN_CHUNKS);
  for (guint round = 0; !g_atomic_int_get (&upkeep->stopping); round++)
    {
      count_revoked (upkeep);
      note_role (upkeep);
      gboolean more = speak (upkeep, round % HOLDINGS_ROUNDS == 0);
      call_others (upkeep);
      completeness_scan (upkeep->completeness, SCAN_CHUNKS); // also what has just come
      save_hosts (upkeep);
      warn_of_expired (upkeep);
      keep_limit (upkeep);
      more = rollouts_turn (upkeep->rollouts) || more;
      prefetch_poke (upkeep->prefetch);
      rest (upkeep, more ? ANXIOUS_SECONDS : ROUND_SECONDS);
    }
  save_hosts (upkeep); // what was heard since: gc goes by it while no gildd runs
  return NULL;
}

Upkeep *
upkeep_start (const Config *config, const HostIdentity *identity, SiteClient *client,
              HostList *list, ChunkFetcher *fetcher, ProfileOutbox *outbox, GError **error)
{
  ImageLibrary *library = image_library_open (config, error);
  Upkeep *upkeep;

  if (!library)
    return NULL;
  upkeep = g_new0 (Upkeep, 1);
  upkeep->config = config;
  upkeep->list = list;
  upkeep->crl_path = g_strdup (identity->crl_path);
  upkeep->library = library;
  upkeep->completeness = completeness_new (library);
  upkeep->heartbeats = heartbeats_new (config, identity->name, library, list, upkeep->completeness);
  upkeep->sync = (RecordSync){ config, library, client, fetcher, list, &upkeep->stopping };
  upkeep->origin_sync = (OriginSync){ &upkeep->sync, upkeep->heartbeats, identity, outbox };
  g_mutex_init (&upkeep->lock);
  g_cond_init (&upkeep->poked);
  upkeep->rollouts = rollouts_new (config, library, list, upkeep->heartbeats);
  upkeep->prefetch = prefetch_start (config, &upkeep->sync, upkeep->completeness);
  upkeep->thread = g_thread_new ("upkeep", run, upkeep);
  return upkeep;
}

void
upkeep_stop (Upkeep *upkeep)
{
  if (!upkeep)
    return;
  g_atomic_int_set (&upkeep->stopping, 1);
  upkeep_poke (upkeep);
  g_thread_join (upkeep->thread);
  prefetch_stop (upkeep->prefetch);
  rollouts_free (upkeep->rollouts);
  heartbeats_free (upkeep->heartbeats);
  completeness_free (upkeep->completeness);
  image_library_free (upkeep->library);
  g_free (upkeep->crl_path);
  g_free (upkeep->trouble);
  g_mutex_clear (&upkeep->lock);
  g_cond_clear (&upkeep->poked);
  g_free (upkeep);
}

void
upkeep_poke (Upkeep *upkeep)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&upkeep->lock);

  upkeep->is_poked = TRUE;
  g_cond_signal (&upkeep->poked);
}

JsonObject *
upkeep_hear (Upkeep *upkeep, const char *host, const char *address, JsonObject *body,
             GError **error)
{
  return heartbeats_hear (upkeep->heartbeats, host, address, body, error);
}

JsonObject *
upkeep_fetch (Upkeep *upkeep, const char *ref, GError **error)
{
  return prefetch_request (upkeep->prefetch, ref, error);
}

JsonObject *
upkeep_hosts (Upkeep *upkeep)
{
  g_autoptr (Host) own = heartbeats_own_host (upkeep->heartbeats);
  JsonObject *object = host_list_to_json (upkeep->list, own);

  g_mutex_lock (&upkeep->lock);
  if (upkeep->trouble)
    json_object_set_string_member (object, "trouble", upkeep->trouble);
  else
    json_object_set_null_member (object, "trouble");
  g_mutex_unlock (&upkeep->lock);
  return object;
}

JsonObject *
upkeep_versions (Upkeep *upkeep)
{
  g_autoptr (GPtrArray) versions = completeness_versions (upkeep->completeness);
  JsonObject *object = json_object_new ();
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < versions->len; i++)
    {
      const HostVersion *version = versions->pdata[i];
      JsonObject *entry = json_object_new ();
      json_object_set_string_member (entry, "ref", version->ref);
      json_object_set_int_member (entry, "missing", (gint64)version->missing_bytes);
      json_array_add_object_element (array, entry);
    }
  json_object_set_array_member (object, "versions", array);
  return object;
}
