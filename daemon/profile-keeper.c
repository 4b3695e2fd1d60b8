// SPDX-License-Identifier: GPL-2.0-or-later
// What this host's desktops read when they boot: what nbdkit tells of is kept if it was a boot.

#include "profile-keeper.h"

#include <string.h>

#include "qcow-backing/boot-profile-file.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/origin.h"

#define QUEUE_MAX      16
#define EXPECTED_MAX   1000
#define AGE_MAX_MS     (3600 * 1000)
#define OPENED_WITHIN  (120 * G_USEC_PER_SEC) // from prepare to QEMU's first connection
#define EXPECTED_FOR   (600 * G_USEC_PER_SEC) // until nbdkit must have told of it
#define CLOCK_TOLERATE G_USEC_PER_SEC

/* A desktop that was prepared.  */
typedef struct
{
  char *ref; // IMAGE@VERSION
  gint64 prepared_us;
} Expected;

struct ProfileKeeper
{
  const Config *config;
  ProfileOutbox *outbox;
  GQueue expected;   // of Expected *, the oldest first
  GThreadPool *pool; // of BootProfile *; one thread, as the disk may be slow
};

static void
expected_free (gpointer data)
{
  Expected *expected = data;

  g_free (expected->ref);
  g_free (expected);
}

static void
profile_free (gpointer profile)
{
  boot_profile_free (profile);
}

static void
keep (gpointer data, gpointer user_data)
{
  g_autoptr (BootProfile) boot = data;
  ProfileKeeper *keeper = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (ImageLibrary) library = image_library_open (keeper->config, &error);
  guint boots;

  if (!library || !boot_profile_add_boot (library, boot, &boots, &error))
    {
      g_message ("what a boot of %s@%u has read is lost: %s", boot->image, boot->version,
                 error->message);
      return;
    }
  g_message ("%u chunks that a boot of %s@%u has read are noted, of %u boots now",
             boot->positions->len, boot->image, boot->version, boots);
  g_autoptr (Origin) origin = origin_load (keeper->config, NULL);
  if (origin && !origin_keeps (origin, boot->image))
    profile_outbox_add (keeper->outbox, g_steal_pointer (&boot));
}

ProfileKeeper *
profile_keeper_new (const Config *config, ProfileOutbox *outbox)
{
  ProfileKeeper *keeper = g_new0 (ProfileKeeper, 1);

  keeper->config = config;
  keeper->outbox = outbox;
  keeper->pool = g_thread_pool_new_full (keep, keeper, profile_free, 1, FALSE, NULL);
  return keeper;
}

void
profile_keeper_free (ProfileKeeper *keeper)
{
  if (!keeper)
    return;
  g_thread_pool_free (keeper->pool, TRUE, TRUE);
  g_queue_clear_full (&keeper->expected, expected_free);
  g_free (keeper);
}

void
profile_keeper_expect (ProfileKeeper *keeper, const char *image, guint version)
{
  Expected *expected = g_new (Expected, 1);
  gint64 now = g_get_monotonic_time ();
  const Expected *oldest;

  while ((oldest = g_queue_peek_head (&keeper->expected))
         && (oldest->prepared_us + EXPECTED_FOR < now || keeper->expected.length >= EXPECTED_MAX))
    expected_free (g_queue_pop_head (&keeper->expected));
  *expected = (Expected){ g_strdup_printf ("%s@%u", image, version), now };
  g_queue_push_tail (&keeper->expected, expected);
}

/* Whether a desktop was to boot what BOOT is of when a client came at OPENED_US; that desktop's
   boot is known then.  */
static gboolean
is_expected (ProfileKeeper *keeper, const BootProfile *boot, gint64 opened_us)
{
  g_autofree char *ref = g_strdup_printf ("%s@%u", boot->image, boot->version);

  for (GList *link = keeper->expected.head; link; link = link->next)
    {
      const Expected *expected = link->data;
      if (g_str_equal (expected->ref, ref) && opened_us >= expected->prepared_us - CLOCK_TOLERATE
          && opened_us <= expected->prepared_us + OPENED_WITHIN)
        {
          expected_free (link->data);
          g_queue_delete_link (&keeper->expected, link);
          return TRUE;
        }
    }
  return FALSE;
}

/* The boot that BODY, sent to NAME, tells of, and when its client came.  */
static BootProfile *
read_boot (const char *name, JsonObject *body, gint64 *opened_us, GError **error)
{
  g_autoptr (BootProfile) boot = NULL;
  guint64 age;

  if (!body)
    {
      fail (error, "the request has no body");
      return NULL;
    }
  if (!(boot = boot_profile_from_object (body, error))
      || !json_read_uint (body, "age", 0, AGE_MAX_MS, &age, error))
    return NULL;
  g_autofree char *place = g_strdup_printf ("%s/%u", boot->image, boot->version);
  if (!g_str_equal (place, name) || boot->boots != 1)
    {
      fail (error, "the boot profile is of %u boots of %s@%u", boot->boots, boot->image,
            boot->version);
      return NULL;
    }
  *opened_us = g_get_monotonic_time () - (gint64)age * 1000;
  return g_steal_pointer (&boot);
}

/* Of how many boots the profile of BOOT's version is so far.  */
static gboolean
count_boots (const Config *config, const BootProfile *boot, guint *boots, GError **error)
{
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  g_autoptr (BootProfile) profile =
      library ? boot_profile_load (library, boot->image, boot->version) : NULL;

  *boots = profile ? profile->boots : 0;
  return library != NULL;
}

JsonObject *
profile_keeper_take (ProfileKeeper *keeper, const char *name, JsonObject *body, GError **error)
{
  g_autoptr (GError) cause = NULL;
  gint64 opened_us;
  g_autoptr (BootProfile) boot = read_boot (name, body, &opened_us, &cause);
  guint boots;

  if (!boot)
    {
      fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "%s", cause->message);
      return NULL;
    }
  if (!count_boots (keeper->config, boot, &boots, error))
    return NULL;
  if (boots < BOOT_PROFILE_BOOTS_MAX && is_expected (keeper, boot, opened_us))
    {
      boots++;
      if (g_thread_pool_unprocessed (keeper->pool) < QUEUE_MAX)
        g_thread_pool_push (keeper->pool, g_steal_pointer (&boot), NULL);
    }
  JsonObject *answer = json_object_new ();
  json_object_set_boolean_member (answer, "wanted", boots < BOOT_PROFILE_BOOTS_MAX);
  return answer;
}
