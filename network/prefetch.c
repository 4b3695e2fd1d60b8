// SPDX-License-Identifier: GPL-2.0-or-later
// Completing versions: what `gild fetch` asks for, and by itself what this host keeps for others or
// what its desktops are going to boot.

#include "prefetch.h"

#include "prefetch-choice.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "version-fetch.h"

#define JOBS_MAX      64
#define LOOK_SECONDS  10  // for what is to be fetched by itself
#define RETRY_SECONDS 300 // for a version that failed

typedef enum
{
  JOB_WAITING,
  JOB_FETCHING,
  JOB_COMPLETE,
  JOB_FAILED,
} JobState;

static const char *const STATES[] = { "waiting", "fetching", "complete", "failed" };

/* A version that somebody asked for.  */
typedef struct
{
  char *ref;     // as it was asked for
  guint version; // 0: not known yet
  JobState state;
  guint64 total_bytes, missing_bytes;
  char *error;
  gint64 asked_us;  // when somebody last asked
  gboolean is_told; // that it has ended
} Job;

struct Prefetch
{
  const Config *config;
  const RecordSync *sync;
  Completeness *completeness;
  GHashTable *failed; // IMAGE@VERSION -> gint64 *, when it failed by itself; the thread's own
  GThread *thread;
  GMutex lock; // guards what follows
  GCond changed;
  GPtrArray *jobs; // of Job *
};

static void
job_free (gpointer data)
{
  Job *job = data;

  g_free (job->ref);
  g_free (job->error);
  g_free (job);
}

/* What the thread does: a job, or what it chose by itself.  */
typedef struct
{
  Prefetch *prefetch;
  Job *job;
  const PrefetchChoice *choice;
} Run;

static gboolean
is_stopping (const Prefetch *prefetch)
{
  return g_atomic_int_get (prefetch->sync->cancelled) != 0;
}

static JsonObject *
describe (const Job *job)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "image", job->ref);
  if (job->version)
    json_object_set_int_member (object, "version", job->version);
  else
    json_object_set_null_member (object, "version");
  json_object_set_string_member (object, "state", STATES[job->state]);
  json_object_set_int_member (object, "total", (gint64)job->total_bytes);
  json_object_set_int_member (object, "missing", (gint64)job->missing_bytes);
  if (job->error)
    json_object_set_string_member (object, "error", job->error);
  else
    json_object_set_null_member (object, "error");
  return object;
}

/* Whether nobody asks for JOB any more.  */
static gboolean
is_forgotten (const Job *job)
{
  return job->is_told
         || g_get_monotonic_time () - job->asked_us > (gint64)FETCH_POLL_SECONDS * G_USEC_PER_SEC;
}

/* The job for REF, made where there is none; LOCK is held.  */
static Job *
find_job (Prefetch *prefetch, const char *ref, GError **error)
{
  for (guint i = 0; i < prefetch->jobs->len; i++)
    {
      Job *job = prefetch->jobs->pdata[i];
      if (g_str_equal (job->ref, ref) && !is_forgotten (job))
        return job;
    }
  if (prefetch->jobs->len >= JOBS_MAX)
    {
      fail (error, "%d images are being fetched already: wait for them", JOBS_MAX);
      return NULL;
    }
  Job *job = g_new0 (Job, 1);
  job->ref = g_strdup (ref);
  g_ptr_array_add (prefetch->jobs, job);
  g_cond_signal (&prefetch->changed);
  return job;
}

JsonObject *
prefetch_request (Prefetch *prefetch, const char *ref, GError **error)
{
  g_autofree char *image = NULL;
  g_autoptr (GError) cause = NULL;
  guint version;

  if (!image_ref_parse (ref, &image, &version, &cause))
    {
      fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "%s", cause->message);
      return NULL;
    }
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&prefetch->lock);
  Job *job = find_job (prefetch, ref, error);
  if (!job)
    return NULL;
  job->asked_us = g_get_monotonic_time ();
  job->is_told = job->state == JOB_COMPLETE || job->state == JOB_FAILED;
  return describe (job);
}

/* Tell the job at DATA how far it is; whether it is to go on.  */
static gboolean
go_on_for_job (gpointer data, guint64 done_bytes)
{
  const Run *run = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&run->prefetch->lock);

  run->job->missing_bytes = run->job->total_bytes - MIN (done_bytes, run->job->total_bytes);
  return !is_forgotten (run->job);
}

/* By itself: as long as it is time, and nobody asks for anything.  */
static gboolean
go_on_by_itself (gpointer data, guint64 done_bytes)
{
  const Run *run = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&run->prefetch->lock);

  for (guint i = 0; i < run->prefetch->jobs->len; i++)
    if (((Job *)run->prefetch->jobs->pdata[i])->state == JOB_WAITING)
      return FALSE;
  return prefetch_is_time (run->prefetch->config, run->choice);
}

/* Fetch what IMAGE@VERSION lacks, for RUN.  */
static gboolean
complete (const Run *run, const char *image, guint version, guint64 *missing_bytes, GError **error)
{
  const Prefetch *prefetch = run->prefetch;
  const VersionFetch fetch = {
    .sync = prefetch->sync,
    .completeness = prefetch->completeness,
    .limit_bytes = run->job ? 0 : prefetch_limit (prefetch->config),
    .go_on = run->job ? go_on_for_job : go_on_by_itself,
    .data = (gpointer)run,
  };

  return version_fetch_run (&fetch, image, version, missing_bytes, error);
}

/* The version of IMAGE that REF names, its records asked for where they can be.  */
static gboolean
resolve (Prefetch *prefetch, const char *ref, char **image, guint *version, GError **error)
{
  g_autoptr (GError) no_answer = NULL;

  if (!image_ref_parse (ref, image, version, error))
    return FALSE;
  if (!record_sync_ask (prefetch->sync, *image, *version, &no_answer))
    g_message ("records of %s are as they were: %s", ref, no_answer->message);
  return *version > 0
         || image_library_resolve (prefetch->sync->library, *image, CHANNEL_DEFAULT, version,
                                   error);
}

static gboolean
run_job (Prefetch *prefetch, Job *job, GError **error)
{
  g_autofree char *image = NULL;
  g_autofree char *ref = NULL;
  guint version;
  guint64 missing;

  g_mutex_lock (&prefetch->lock);
  ref = g_strdup (job->ref);
  g_mutex_unlock (&prefetch->lock);
  if (!resolve (prefetch, ref, &image, &version, error)
      || !completeness_count (prefetch->completeness, image, version, &missing, error))
    return FALSE;
  g_mutex_lock (&prefetch->lock);
  job->version = version;
  job->missing_bytes = job->total_bytes = missing;
  g_mutex_unlock (&prefetch->lock);
  const Run run = { prefetch, job, NULL };
  gboolean ok = complete (&run, image, version, &missing, error);
  if (!ok)
    g_prefix_error (error, "%s@%u is not complete: ", image, version);
  g_mutex_lock (&prefetch->lock);
  job->missing_bytes = missing;
  g_mutex_unlock (&prefetch->lock);
  return ok && (missing == 0 || fail (error, "%s was given up: nobody asks for it any more", ref));
}

static void
do_job (Prefetch *prefetch, Job *job)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = run_job (prefetch, job, &error);

  g_mutex_lock (&prefetch->lock);
  job->state = ok ? JOB_COMPLETE : JOB_FAILED;
  job->error = error ? g_strdup (error->message) : NULL;
  g_mutex_unlock (&prefetch->lock);
  if (ok)
    g_message ("%s is complete: it boots without any other host", job->ref);
}

/* The first job that waits, which is begun; NULL where there is none.  Those that nobody asks for
 * go.
 */
static Job *
next_job (Prefetch *prefetch)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&prefetch->lock);
  Job *next = NULL;

  for (guint i = prefetch->jobs->len; i-- > 0;)
    {
      Job *job = prefetch->jobs->pdata[i];
      if (is_forgotten (job))
        g_ptr_array_remove_index (prefetch->jobs, i);
      else if (job->state == JOB_WAITING)
        next = job;
    }
  if (next)
    next->state = JOB_FETCHING;
  return next;
}

static gboolean
failed_lately (Prefetch *prefetch, const char *ref)
{
  const gint64 *failed_us = g_hash_table_lookup (prefetch->failed, ref);

  return failed_us && g_get_monotonic_time () - *failed_us < (gint64)RETRY_SECONDS * G_USEC_PER_SEC;
}

static void
note_failure (Prefetch *prefetch, const char *ref, const char *why)
{
  gint64 now_us = g_get_monotonic_time ();

  g_message ("%s is not complete yet: %s", ref, why);
  g_hash_table_replace (prefetch->failed, g_strdup (ref), g_memdup2 (&now_us, sizeof now_us));
}

/* Complete one version by itself, if it lacks anything; whether there was anything to do.  */
static gboolean
do_choice (Prefetch *prefetch, const PrefetchChoice *choice)
{
  g_autofree char *ref = g_strdup_printf ("%s@%u", choice->image, choice->version);
  const Run run = { prefetch, NULL, choice };
  g_autoptr (GError) error = NULL;
  guint64 missing;

  if (failed_lately (prefetch, ref) || !completeness_get (prefetch->completeness, ref, &missing)
      || missing == 0)
    return FALSE;
  if (!prefetch_has_room (prefetch->config, prefetch->sync->library, missing))
    note_failure (prefetch, ref, "[store] limit= leaves no room for it");
  else if (complete (&run, choice->image, choice->version, &missing, &error))
    {
      if (missing == 0)
        g_message ("%s is complete: it boots without any other host", ref);
    }
  else if (!is_stopping (prefetch))
    note_failure (prefetch, ref, error->message);
  return TRUE;
}

static gboolean
do_choices (Prefetch *prefetch)
{
  g_autoptr (GPtrArray) choices =
      prefetch_choose (prefetch->config, prefetch->sync->library, prefetch->sync->list);

  for (guint i = 0; i < choices->len && !is_stopping (prefetch); i++)
    if (do_choice (prefetch, choices->pdata[i]))
      return TRUE;
  return FALSE;
}

static gpointer
run (gpointer data)
{
  Prefetch *prefetch = data;

  while (!is_stopping (prefetch))
    {
      Job *job = next_job (prefetch);
      if (job)
        do_job (prefetch, job);
      else if (!do_choices (prefetch))
        {
          g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&prefetch->lock);
          g_cond_wait_until (&prefetch->changed, &prefetch->lock,
                             g_get_monotonic_time () + (gint64)LOOK_SECONDS * G_USEC_PER_SEC);
        }
    }
  return NULL;
}

Prefetch *
prefetch_start (const Config *config, const RecordSync *sync, Completeness *completeness)
{
  Prefetch *prefetch = g_new0 (Prefetch, 1);

  prefetch->config = config;
  prefetch->sync = sync;
  prefetch->completeness = completeness;
  prefetch->failed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  prefetch->jobs = g_ptr_array_new_with_free_func (job_free);
  g_mutex_init (&prefetch->lock);
  g_cond_init (&prefetch->changed);
  prefetch->thread = g_thread_new ("prefetch", run, prefetch);
  return prefetch;
}

void
prefetch_stop (Prefetch *prefetch)
{
  if (!prefetch)
    return;
  prefetch_poke (prefetch);
  g_thread_join (prefetch->thread);
  g_hash_table_unref (prefetch->failed);
  g_ptr_array_unref (prefetch->jobs);
  g_mutex_clear (&prefetch->lock);
  g_cond_clear (&prefetch->changed);
  g_free (prefetch);
}

void
prefetch_poke (Prefetch *prefetch)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&prefetch->lock);

  g_cond_signal (&prefetch->changed);
}
