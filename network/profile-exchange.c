// SPDX-License-Identifier: GPL-2.0-or-later
// Boot profiles between hosts: what boots here have read goes to the origins, which merge it, and
// theirs come here.

#include "profile-exchange.h"

#include "qcow-backing/boot-profile-file.h"
#include "qcow-backing/fail.h"

#define OUTBOX_MAX 16

struct ProfileOutbox
{
  GMutex lock;  // guards what follows; never held while sending
  GQueue boots; // of BootProfile *, the oldest first
};

ProfileOutbox *
profile_outbox_new (void)
{
  ProfileOutbox *outbox = g_new0 (ProfileOutbox, 1);

  g_mutex_init (&outbox->lock);
  return outbox;
}

static void
profile_free (gpointer profile)
{
  boot_profile_free (profile);
}

void
profile_outbox_free (ProfileOutbox *outbox)
{
  if (!outbox)
    return;
  g_queue_clear_full (&outbox->boots, profile_free);
  g_mutex_clear (&outbox->lock);
  g_free (outbox);
}

void
profile_outbox_add (ProfileOutbox *outbox, BootProfile *boot)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&outbox->lock);

  g_queue_push_tail (&outbox->boots, boot);
  if (outbox->boots.length > OUTBOX_MAX)
    boot_profile_free (g_queue_pop_head (&outbox->boots));
}

static BootProfile *
take_oldest (ProfileOutbox *outbox)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&outbox->lock);

  return g_queue_pop_head (&outbox->boots);
}

static void
put_back (ProfileOutbox *outbox, BootProfile *boot)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&outbox->lock);

  if (outbox->boots.length < OUTBOX_MAX)
    g_queue_push_head (&outbox->boots, boot);
  else
    boot_profile_free (boot);
}

static gboolean
is_refused (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT)
         || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)
         || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
}

void
profile_outbox_flush (ProfileOutbox *outbox, ProfileSendFunc send, gpointer data)
{
  BootProfile *boot;

  while ((boot = take_oldest (outbox)))
    {
      g_autofree char *path =
          g_strdup_printf ("/images/%s/%u" BOOT_PROFILE_SUFFIX, boot->image, boot->version);
      g_autofree char *body = boot_profile_to_json (boot);
      g_autoptr (GError) error = NULL;
      gboolean sent = send (path, body, data, &error);
      if (!sent && !is_refused (error))
        {
          put_back (outbox, boot);
          return;
        }
      if (!sent)
        g_message ("what a boot of %s@%u has read is of no use to the origin: %s", boot->image,
                   boot->version, error->message);
      boot_profile_free (boot);
    }
}

/* Whether PROFILE is of IMAGE@VERSION, at whose place it came.  */
static gboolean
check_place (const BootProfile *profile, const char *image, guint version, GError **error)
{
  return (g_str_equal (profile->image, image) && profile->version == version)
         || fail_code (error, G_IO_ERROR_INVALID_ARGUMENT,
                       "the boot profile is of %s@%u, and not of %s@%u", profile->image,
                       profile->version, image, version);
}

gboolean
profile_exchange_take (gpointer config, const char *host, const char *image, guint version,
                       JsonObject *body, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (BootProfile) boot = body ? boot_profile_from_object (body, &cause) : NULL;

  if (!boot)
    return fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "the boot profile cannot be read: %s",
                      cause ? cause->message : "there is none");
  if (!check_place (boot, image, version, error))
    return FALSE;
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  guint boots;
  if (!library || !boot_profile_add_boot (library, boot, &boots, error))
    return FALSE;
  g_debug ("%s has told what a boot of %s@%u reads: %u of %u", host, image, version, boots,
           BOOT_PROFILE_BOOTS_MAX);
  return TRUE;
}

gboolean
profile_exchange_receive (const Config *config, const char *image, guint version, const char *text,
                          gsize size, GError **error)
{
  g_autoptr (BootProfile) profile = boot_profile_from_json (text, size, error);

  if (!profile || !check_place (profile, image, version, error))
    return FALSE;
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  return library && boot_profile_take_over (library, profile, error);
}

gboolean
profile_exchange_get (const Config *config, SiteClient *client, const Host *origin,
                      const char *image, guint version, guint timeout_seconds, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/images/%s/%u" BOOT_PROFILE_SUFFIX, image, version);
  g_autoptr (GBytes) answer = site_client_request (client, origin, "GET", path, NULL,
                                                   BOOT_PROFILE_SIZE_MAX, timeout_seconds, error);
  gsize size;

  if (!answer)
    return FALSE;
  const char *text = g_bytes_get_data (answer, &size);
  return profile_exchange_receive (config, image, version, text ? text : "", size, error);
}
