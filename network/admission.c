// SPDX-License-Identifier: GPL-2.0-or-later
// Who belongs to the site: invitations, hosts that join, and hosts that are removed.

#include "admission.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <unistd.h>

#include "admission-answer.h"
#include "host-identity.h"
#include "join-token.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-lock.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/gnutls-handles.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/site.h"
#include "revocation.h"

#define INVITATION_FORMAT   "gild-invitation-1"
#define INVITATION_SIZE_MAX 1024
#define DATE_SIZE_MAX       40
#define REQUEST_SIZE_MAX    4096
#define SECRET_TEXT_MAX     40
#define KEY_SIZE_MAX        4096
#define FORGET_SECONDS      (7 * 24 * 3600) // an invitation after its end

/* STATE/site/invitations/HEX and SUFFIX.  */
static char *
invitation_path (const Config *config, const guint8 secret[JOIN_SECRET_SIZE], const char *suffix)
{
  g_autofree char *hex = g_compute_checksum_for_data (G_CHECKSUM_SHA256, secret, JOIN_SECRET_SIZE);
  g_autofree char *name = g_strconcat (hex, suffix, NULL);

  return config_state_path (config, "site", "invitations", name, NULL);
}

/* Who changes what is in invitations and hosts locks this.  */
static int
lock_admission (const Config *config, GError **error)
{
  g_autofree char *path = config_state_path (config, "site", "invitations", ".lock", NULL);

  g_autoptr (GError) cause = NULL;
  int lock = file_lock (AT_FDCWD, path, LOCK_EX, NULL, &cause);

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    fail_code (error, G_IO_ERROR_NOT_FOUND,
               "this host is no publisher: hosts join, and are removed, at one that is");
  else if (cause)
    g_propagate_error (error, g_steal_pointer (&cause));
  return lock;
}

/* When the invitation at PATH ends; fails as file_read does.  */
static GDateTime *
read_end (const char *path, GError **error)
{
  gsize size;
  g_autofree char *text = file_read (path, INVITATION_SIZE_MAX, &size, error);
  g_autoptr (JsonNode) root = text ? json_read_object (text, size, INVITATION_FORMAT, error) : NULL;
  const char *expires =
      root ? json_read_string (json_node_get_object (root), "expires", DATE_SIZE_MAX, error) : NULL;
  GDateTime *end = expires ? g_date_time_new_from_iso8601 (expires, NULL) : NULL;

  if (expires && !end)
    fail (error, "\"expires\" is not a time");
  if (text && !end)
    g_prefix_error (error, "%s: ", path);
  return end;
}

/* Remove invitations that have ended long ago; how many stand, or are remembered.  */
static gboolean
sweep (const Config *config, guint *count, GError **error)
{
  g_autofree char *directory = config_state_path (config, "site", "invitations", NULL);
  g_autoptr (GDir) names = g_dir_open (directory, 0, error);
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  const char *name;

  *count = 0;
  while (names && (name = g_dir_read_name (names)))
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);
      g_autoptr (GDateTime) end = name[0] == '.' ? NULL : read_end (path, NULL);
      *count += 1;
      if (end && g_date_time_difference (now, end) > FORGET_SECONDS * G_TIME_SPAN_SECOND
          && unlink (path) == 0)
        *count -= 1;
    }
  return names != NULL;
}

static gboolean
write_invitation (const Config *config, const guint8 secret[JOIN_SECRET_SIZE], const char *expires,
                  GError **error)
{
  g_autofree char *path = invitation_path (config, secret, ".json");
  g_autofree char *text = g_strdup_printf (
      "{\n  \"format\" : \"" INVITATION_FORMAT "\",\n  \"expires\" : \"%s\"\n}\n", expires);

  return file_write_durably (path, text, strlen (text), 0600, error);
}

JsonObject *
admission_invite (const Config *config, guint seconds, GError **error)
{
  g_autofree char *directory = config_state_path (config, "site", NULL);
  g_autoptr (CertificateAuthority) authority = host_identity_load_authority (directory, error);
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) end = g_date_time_add_seconds (now, seconds);
  g_autofree char *expires = g_date_time_format (end, "%FT%TZ");
  guint8 secret[JOIN_SECRET_SIZE];
  guint count;

  if (!authority || !sweep (config, &count, error))
    return NULL;
  if (count >= ADMISSION_OPEN_MAX)
    {
      fail (error, "there are %u invitations already: wait until they have expired", count);
      return NULL;
    }
  if (gnutls_rnd (GNUTLS_RND_KEY, secret, sizeof secret) < 0
      || !write_invitation (config, secret, expires, error))
    return NULL;
  g_autofree char *secret_text = join_secret_format (secret);
  JsonObject *answer = json_object_new ();
  json_object_set_string_member (answer, "secret", secret_text);
  json_object_set_string_member (answer, "expires", expires);
  return answer;
}

/* Whether the invitation of SECRET stands.  */
static gboolean
check_invitation (const Config *config, const guint8 secret[JOIN_SECRET_SIZE], GError **error)
{
  g_autofree char *path = invitation_path (config, secret, ".json");
  g_autofree char *used_path = invitation_path (config, secret, ".used");
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GError) cause = NULL;

  if (g_file_test (used_path, G_FILE_TEST_EXISTS))
    return fail_code (error, G_IO_ERROR_PERMISSION_DENIED,
                      "the token was used already: `gild invite` on the publisher makes another");
  g_autoptr (GDateTime) end = read_end (path, &cause);
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return fail_code (
        error, G_IO_ERROR_PERMISSION_DENIED,
        "this publisher does not know the token: join with one that `gild invite` printed on it");
  if (!end)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  g_autofree char *expires = g_date_time_format_iso8601 (end);
  return g_date_time_compare (now, end) < 0
         || fail_code (error, G_IO_ERROR_PERMISSION_DENIED,
                       "the token has expired, at %s: `gild invite` on the publisher makes another",
                       expires);
}

/* What a host sends that wants to join; its strings are those of the request.  */
typedef struct
{
  guint8 secret[JOIN_SECRET_SIZE];
  const char *name, *request;
} Joiner;

static gboolean
read_joiner (JsonObject *body, Joiner *joiner, GError **error)
{
  g_autoptr (GError) cause = NULL;
  const char *format = body ? json_read_string (body, "format", 100, &cause) : NULL;
  const char *secret = format ? json_read_string (body, "secret", SECRET_TEXT_MAX, &cause) : NULL;

  if (format && !g_str_equal (format, ADMISSION_REQUEST_FORMAT))
    return fail_code (error, G_IO_ERROR_INVALID_ARGUMENT,
                      "the request's format is \"%s\", this gild reads \"%s\"", format,
                      ADMISSION_REQUEST_FORMAT);
  joiner->name = secret ? json_read_string (body, "name", HOST_NAME_SIZE_MAX, &cause) : NULL;
  joiner->request =
      joiner->name ? json_read_string (body, "request", REQUEST_SIZE_MAX, &cause) : NULL;
  if (joiner->request && join_secret_parse (secret, joiner->secret, &cause)
      && host_name_check (joiner->name, &cause))
    return TRUE;
  return fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "%s",
                    cause ? cause->message : "the request has no body");
}

/* The site's certificate for JOINER, whose invitation stands.  */
static char *
issue (const Config *config, const Joiner *joiner, const char *site_key, GError **error)
{
  g_autofree char *directory = config_state_path (config, "site", NULL);
  g_autofree char *issued_name = g_strconcat (joiner->name, ".pem", NULL);
  g_autofree char *issued_path = g_build_filename (directory, "hosts", issued_name, NULL);

  if (g_file_test (issued_path, G_FILE_TEST_EXISTS))
    {
      fail_code (
          error, G_IO_ERROR_EXISTS,
          "there is a host %s already: join with --name and another name, or shut that one out first, with `gild hosts remove %s` on the publisher",
          joiner->name, joiner->name);
      return NULL;
    }
  g_autoptr (CertificateAuthority) authority = host_identity_load_authority (directory, error);
  g_auto (gnutls_x509_crt_t) certificate =
      authority ? host_certificate_issue (authority, joiner->name, joiner->request, site_key, error)
                : NULL;
  return certificate ? certificate_to_pem (certificate, error) : NULL;
}

/* Use JOINER's invitation up, then remember its CERTIFICATE.  The mark comes first, so that no
   crash leaves an invitation that works twice.  */
static gboolean
admit (const Config *config, const Joiner *joiner, const char *certificate, GError **error)
{
  g_autofree char *path = invitation_path (config, joiner->secret, ".json");
  g_autofree char *used_path = invitation_path (config, joiner->secret, ".used");
  g_autofree char *issued_name = g_strconcat (joiner->name, ".pem", NULL);
  g_autofree char *issued_path = config_state_path (config, "site", "hosts", issued_name, NULL);
  gsize size;
  g_autofree char *invitation = file_read (path, INVITATION_SIZE_MAX, &size, error);

  if (!invitation || !file_write_durably (used_path, invitation, size, 0600, error))
    return FALSE;
  unlink (path);
  return file_write_durably (issued_path, certificate, strlen (certificate), 0644, error);
}

static JsonObject *
join_locked (const Config *config, const char *address, const Joiner *joiner, GError **error)
{
  g_autofree char *key_path = config_state_path (config, "site", "site.pub", NULL);
  g_autoptr (Site) site = site_load (config, error);
  g_autofree char *site_key = site ? file_read (key_path, KEY_SIZE_MAX, NULL, error) : NULL;

  if (!site_key || !check_invitation (config, joiner->secret, error))
    return NULL;
  g_autofree char *certificate = issue (config, joiner, site_key, error);
  if (!certificate || !admit (config, joiner, certificate, error))
    return NULL;
  g_message ("host %s joins the site, from %s", joiner->name, address);
  return admission_answer_new (config, site, joiner->name, site_key, certificate);
}

JsonObject *
admission_join (const Config *config, const char *address, JsonObject *body, GError **error)
{
  Joiner joiner;

  if (!read_joiner (body, &joiner, error))
    return NULL;
  int lock = lock_admission (config, error);
  JsonObject *answer = lock < 0 ? NULL : join_locked (config, address, &joiner, error);
  if (lock >= 0)
    close (lock);
  gnutls_memset (joiner.secret, 0, sizeof joiner.secret);
  return answer;
}

static gboolean
remove_locked (const Config *config, const char *name, GError **error)
{
  g_autofree char *directory = config_state_path (config, "site", NULL);
  g_autofree char *crl_path = g_build_filename (directory, "crl.pem", NULL);
  g_autofree char *issued_name = g_strconcat (name, ".pem", NULL);
  g_autofree char *issued_path = g_build_filename (directory, "hosts", issued_name, NULL);
  g_autoptr (CertificateAuthority) authority = host_identity_load_authority (directory, error);
  g_autoptr (GError) cause = NULL;

  if (!authority)
    return FALSE;
  g_auto (gnutls_x509_crt_t) certificate = certificate_load (issued_path, &cause);
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return fail_code (error, G_IO_ERROR_NOT_FOUND,
                      "this publisher has let in no host called %s: `gild hosts` lists them", name);
  if (!certificate)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!revocation_add (authority, crl_path, certificate, error))
    return FALSE;
  return unlink (issued_path) == 0 || fail_errno (error, "remove %s", issued_path);
}

gboolean
admission_remove (const Config *config, const char *name, GError **error)
{
  g_autoptr (HostIdentity) self = host_identity_load (config, error);

  if (!self || !host_name_check (name, error))
    return FALSE;
  if (g_str_equal (self->name, name))
    return fail_code (error, G_IO_ERROR_INVALID_ARGUMENT,
                      "%s is this host: another publisher can remove it", name);
  int lock = lock_admission (config, error);
  gboolean ok = lock >= 0 && remove_locked (config, name, error);
  if (lock >= 0)
    close (lock);
  return ok;
}

gboolean
admission_take_revocations (const Config *config, const char *pem, gsize size, gboolean *taken,
                            GError **error)
{
  g_autofree char *directory = config_state_path (config, "site", NULL);
  g_autofree char *ca_path = g_build_filename (directory, "ca.pem", NULL);
  g_autofree char *crl_path = g_build_filename (directory, "crl.pem", NULL);
  g_autoptr (CertificateAuthority) authority = host_identity_load_authority (directory, NULL);
  gboolean is_new;

  return revocation_install (ca_path, crl_path, authority, pem, size, taken ? taken : &is_new,
                             error);
}
