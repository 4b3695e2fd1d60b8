// SPDX-License-Identifier: GPL-2.0-or-later
// Telling gildd what boots have read, without ever keeping waiting who reads.

#include "profile-reporter.h"

#include "control-client.h"
#include "qcow-backing/boot-recorder.h"
#include "qcow-backing/image-name.h"

#define TIMEOUT_SECONDS 3
#define QUEUE_MAX       16
#define KNOWN_MAX       1024

/* What one client has read.  */
typedef struct
{
  char *ref;
  GArray *positions;
  gint64 since_us;
} Reading;

struct ProfileReporter
{
  char *socket_path;
  GMutex lock;       // guards what follows; never held while talking to gildd
  GThreadPool *pool; // of Reading *; one thread, from the first on, as nbdkit may fork before
  GHashTable *known; // set of char *: the versions of which gildd wants no more
};

static void
reading_free (gpointer data)
{
  Reading *reading = data;

  g_free (reading->ref);
  g_array_unref (reading->positions);
  g_free (reading);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reading, reading_free)

/* What gildd is asked: the boot as a profile of its own, and how long ago it began.  */
static JsonNode *
build_body (const Reading *reading, const char *image, guint version)
{
  BootProfile boot = { (char *)image, version, 1, reading->positions };
  JsonObject *object = boot_profile_to_object (&boot);
  JsonNode *body = json_node_new (JSON_NODE_OBJECT);

  json_object_set_int_member (object, "age", (g_get_monotonic_time () - reading->since_us) / 1000);
  json_node_take_object (body, object);
  return body;
}

static void
note_answer (ProfileReporter *reporter, const char *ref, JsonNode *answer)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&reporter->lock);

  if (json_object_get_boolean_member_with_default (json_node_get_object (answer), "wanted", TRUE))
    return;
  if (g_hash_table_size (reporter->known) >= KNOWN_MAX)
    g_hash_table_remove_all (reporter->known);
  g_hash_table_add (reporter->known, g_strdup (ref));
}

static void
tell (gpointer data, gpointer user_data)
{
  g_autoptr (Reading) reading = data;
  ProfileReporter *reporter = user_data;
  g_autofree char *image = NULL;
  g_autoptr (GError) error = NULL;
  guint version;

  if (!boot_recorder_is_boot (reading->positions)
      || !image_ref_parse (reading->ref, &image, &version, NULL))
    return;
  g_autofree char *path = g_strdup_printf ("/images/%s/%u/profile", image, version);
  g_autoptr (JsonNode) body = build_body (reading, image, version);
  g_autoptr (JsonNode) answer =
      control_call (reporter->socket_path, "POST", path, body, TIMEOUT_SECONDS, &error);
  if (answer)
    note_answer (reporter, reading->ref, answer);
  else
    g_message ("gildd was not told what a boot of %s has read: %s", reading->ref, error->message);
}

ProfileReporter *
profile_reporter_new (const char *socket_path)
{
  ProfileReporter *reporter = g_new0 (ProfileReporter, 1);

  reporter->socket_path = g_strdup (socket_path);
  g_mutex_init (&reporter->lock);
  reporter->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return reporter;
}

void
profile_reporter_free (ProfileReporter *reporter)
{
  if (!reporter)
    return;
  if (reporter->pool)
    g_thread_pool_free (reporter->pool, TRUE, TRUE);
  g_hash_table_unref (reporter->known);
  g_mutex_clear (&reporter->lock);
  g_free (reporter->socket_path);
  g_free (reporter);
}

gboolean
profile_reporter_wants (ProfileReporter *reporter, const char *ref)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&reporter->lock);

  return !g_hash_table_contains (reporter->known, ref);
}

void
profile_reporter_add (ProfileReporter *reporter, const char *ref, GArray *positions,
                      gint64 since_us)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&reporter->lock);
  Reading *reading = g_new (Reading, 1);

  *reading = (Reading){ g_strdup (ref), positions, since_us };
  if (!reporter->pool)
    reporter->pool = g_thread_pool_new_full (tell, reporter, reading_free, 1, TRUE, NULL);
  if (g_thread_pool_unprocessed (reporter->pool) < QUEUE_MAX)
    g_thread_pool_push (reporter->pool, reading, NULL);
  else
    reading_free (reading);
}
