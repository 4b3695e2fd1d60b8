// SPDX-License-Identifier: GPL-2.0-or-later
// Waiting for a chunk that is missing, or damaged: gildd fetches it from another host.

#include "chunk-waiter.h"

#include "control-client.h"

#define RETRY_USEC    100000
#define GRACE_SECONDS 5 // gildd has the same deadline, and says then why

struct ChunkWaiter
{
  char *socket_path;
  guint deadline_seconds;
};

ChunkWaiter *
chunk_waiter_new (const char *socket_path, guint deadline_seconds)
{
  ChunkWaiter *waiter = g_new (ChunkWaiter, 1);

  waiter->socket_path = g_strdup (socket_path);
  waiter->deadline_seconds = deadline_seconds;
  return waiter;
}

void
chunk_waiter_free (ChunkWaiter *waiter)
{
  if (!waiter)
    return;
  g_free (waiter->socket_path);
  g_free (waiter);
}

static JsonNode *
make_body (const char *ref, gsize position, gboolean is_damaged)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "image", ref);
  json_object_set_int_member (object, "position", (gint64)position);
  if (is_damaged)
    json_object_set_boolean_member (object, "damaged", TRUE);
  json_node_take_object (node, object);
  return node;
}

gboolean
chunk_waiter_wait (ChunkWaiter *waiter, const ChunkId *id, const char *ref, gsize position,
                   gboolean is_damaged, GError **error)
{
  gint64 end = g_get_monotonic_time () + (gint64)waiter->deadline_seconds * G_USEC_PER_SEC;
  g_autoptr (JsonNode) body = make_body (ref, position, is_damaged);
  char hex[CHUNK_HEX_SIZE];

  chunk_id_to_hex (id, hex);
  g_autofree char *path = g_strdup_printf ("/chunks/%s/fetch", hex);
  for (;;)
    {
      g_autoptr (GError) cause = NULL;
      g_autoptr (JsonNode) answer = control_call (waiter->socket_path, "POST", path, body,
                                                  waiter->deadline_seconds + GRACE_SECONDS, &cause);
      if (answer)
        return TRUE;
      if (is_damaged || g_error_matches (cause, CONTROL_ERROR, CONTROL_ERROR_REFUSED)
          || g_get_monotonic_time () + RETRY_USEC >= end)
        {
          g_propagate_error (error, g_steal_pointer (&cause));
          return FALSE;
        }
      g_usleep (RETRY_USEC);
    }
}
