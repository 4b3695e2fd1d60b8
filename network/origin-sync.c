// SPDX-License-Identifier: GPL-2.0-or-later
// One heartbeat to one origin, and all that follows from its answer: hosts, records, who was shut
// out.

#include "origin-sync.h"

#include <string.h>

#include "admission.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/record-install.h"
#include "revocation.h"

#define TIMEOUT_SECONDS 10
#define ANSWER_SIZE_MAX (16u << 20)
#define SLICE_SECONDS   20 // of records, then the next heartbeat is due

static char *
to_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  return json_to_string (node, FALSE);
}

/* Send BODY to ORIGIN; the answer's object is *ROOT's.  */
static JsonNode *
post_heartbeat (const OriginSync *self, const Host *origin, JsonObject *body, GError **error)
{
  g_autofree char *text = to_text (body);
  g_autoptr (GBytes) answer =
      site_client_request (self->sync->client, origin, "POST", "/hosts/heartbeat", text,
                           ANSWER_SIZE_MAX, TIMEOUT_SECONDS, error);
  gsize size;
  const char *data = answer ? g_bytes_get_data (answer, &size) : NULL;

  return answer ? json_read_object (data ? data : "", size, HOST_LIST_FORMAT, error) : NULL;
}

static gboolean
fetch_revocations (const OriginSync *self, const Host *origin, GError **error)
{
  g_autoptr (GBytes) pem = site_client_request (self->sync->client, origin, "GET", "/crl.pem", NULL,
                                                REVOCATION_SIZE_MAX, TIMEOUT_SECONDS, error);
  gboolean taken = FALSE;
  gsize size;

  if (!pem)
    return FALSE;
  const char *data = g_bytes_get_data (pem, &size);
  if (!admission_take_revocations (self->sync->config, data ? data : "", size, &taken, error))
    return FALSE;
  if (taken)
    g_message ("the list of removed hosts is that of %s now", origin->name);
  return TRUE;
}

/* Make the lists of removed hosts, of which ORIGIN's has number THEIRS, the same.  */
static void
level_revocations (const OriginSync *self, const Host *origin, guint64 theirs)
{
  g_autoptr (GError) error = NULL;
  guint64 own;

  if (!revocation_number (self->identity->crl_path, &own, &error)
      || (theirs > own && !fetch_revocations (self, origin, &error))
      || (theirs < own
          && !site_client_put_file (self->sync->client, origin, "/crl.pem",
                                    self->identity->crl_path, TIMEOUT_SECONDS, &error)))
    g_message ("the list of removed hosts and that of %s: %s", origin->name, error->message);
}

/* A failure of a record, said unless it only has to wait.  */
static void
report (const GError *error)
{
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)
      && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_message ("%s", error->message);
}

/* Get the records of those of IMAGES, the origin's, that are newer than this host's, until END_US;
   whether there are some left.  */
static gboolean
sync_images (const OriginSync *self, const Host *origin, GPtrArray *images, gint64 end_us)
{
  gboolean more = FALSE;

  for (guint i = 0; i < images->len && !g_atomic_int_get (self->sync->cancelled); i++)
    {
      const HeartbeatImage *image = images->pdata[i];
      g_autoptr (ChannelRecord) present =
          image_library_load_channels (self->sync->library, image->image, NULL);
      g_autoptr (GError) error = NULL;
      if (present && present->serial >= image->serial)
        continue;
      if (g_get_monotonic_time () > end_us)
        return TRUE;
      if (!record_sync_image (self->sync, origin, image->image, &error))
        {
          report (error);
          more = TRUE;
        }
    }
  return more;
}

/* Get all versions that ORIGIN has of the images that this host is a replica of.  */
static gboolean
sync_replicas (const OriginSync *self, const Host *origin, gint64 end_us)
{
  g_autoptr (Host) host = host_list_find (self->sync->list, origin->name);
  g_autoptr (Origin) own = origin_load (self->sync->config, NULL);
  gboolean more = FALSE;

  for (guint i = 0; host && own && i < host->versions->len; i++)
    {
      const HostVersion *version = host->versions->pdata[i];
      g_autofree char *image = NULL;
      g_autoptr (GError) error = NULL;
      guint number;
      if (!image_ref_parse (version->ref, &image, &number, NULL)
          || !g_ptr_array_find_with_equal_func ((GPtrArray *)origin_replicas (own), image,
                                                g_str_equal, NULL)
          || record_install_has_version (self->sync->library, image, number))
        continue;
      if (g_get_monotonic_time () > end_us || g_atomic_int_get (self->sync->cancelled))
        return TRUE;
      if (!record_sync_version (self->sync, origin, image, number, &error))
        {
          report (error);
          more = TRUE;
        }
    }
  return more;
}

/* A boot that was recorded here, to the origin.  */
typedef struct
{
  const OriginSync *self;
  const Host *origin;
} ProfileTarget;

static gboolean
send_profile (const char *path, const char *body, gpointer data, GError **error)
{
  const ProfileTarget *target = data;
  g_autoptr (GBytes) answer =
      site_client_request (target->self->sync->client, target->origin, "POST", path, body,
                           ANSWER_SIZE_MAX, TIMEOUT_SECONDS, error);

  return answer != NULL;
}

gboolean
origin_sync_run (const OriginSync *self, const Host *origin, gboolean with_holdings, gboolean *more,
                 GError **error)
{
  g_autoptr (JsonObject) body = heartbeats_say (self->heartbeats, origin, with_holdings);
  g_autoptr (JsonNode) answer = post_heartbeat (self, origin, body, error);
  g_autoptr (GPtrArray) images = NULL;
  ProfileTarget target = { self, origin };
  gint64 end_us = g_get_monotonic_time () + (gint64)SLICE_SECONDS * G_USEC_PER_SEC;
  guint64 crl;

  if (!answer
      || !heartbeats_take (self->heartbeats, origin, json_node_get_object (answer), &images, &crl,
                           error))
    return FALSE;
  level_revocations (self, origin, crl);
  if (sync_images (self, origin, images, end_us) || sync_replicas (self, origin, end_us))
    *more = TRUE;
  if (self->outbox && origin->is_origin)
    profile_outbox_flush (self->outbox, send_profile, &target);
  return TRUE;
}
