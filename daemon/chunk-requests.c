// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that nbdkit lacks: POST /chunks/ID/fetch, answered when the chunk can be read.

#include "chunk-requests.h"

#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/index.h"
#include "qcow-backing/json-read.h"
#include "read-ahead.h"

#define REF_SIZE_MAX 256

struct ChunkRequests
{
  const Config *config;
  GMutex lock; // guards what follows
  ChunkFetcher *fetcher;
  ReadAhead *read_ahead; // as long as there is a fetcher
};

ChunkRequests *
chunk_requests_new (const Config *config)
{
  ChunkRequests *requests = g_new0 (ChunkRequests, 1);

  requests->config = config;
  g_mutex_init (&requests->lock);
  return requests;
}

void
chunk_requests_free (ChunkRequests *requests)
{
  if (!requests)
    return;
  chunk_requests_set_fetcher (requests, NULL);
  g_mutex_clear (&requests->lock);
  g_free (requests);
}

void
chunk_requests_set_fetcher (ChunkRequests *requests, ChunkFetcher *fetcher)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&requests->lock);

  g_clear_pointer (&requests->read_ahead, read_ahead_free);
  requests->fetcher = fetcher;
  if (fetcher)
    requests->read_ahead = read_ahead_new (requests->config, fetcher);
}

/* REF is owned by BODY.  */
static gboolean
parse_request (const char *name, JsonObject *body, ChunkId *id, const char **ref, guint64 *position,
               GError **error)
{
  g_autofree char *image = NULL;
  guint version;

  if (!chunk_id_from_hex (name, id))
    return fail (error, "'%.100s' is not a chunk: its id has 64 lower-case hexadecimal digits",
                 name);
  if (!body)
    return fail (error, "a request for a chunk says which image it is for");
  *ref = json_read_string (body, "image", REF_SIZE_MAX, error);
  return *ref && image_ref_parse (*ref, &image, &version, error)
         && (version > 0 || fail (error, "'%s' names no version", *ref))
         && json_read_uint (body, "position", 0, INDEX_VIRTUAL_SIZE_MAX / CHUNK_SIZE, position,
                            error);
}

/* In a thread of the fetcher's.  */
static void
on_fetched (const ChunkId *id, const GError *error, gpointer reply)
{
  control_reply_send (reply, error ? NULL : json_object_new (), error);
}

void
chunk_requests_start (ChunkRequests *requests, const char *name, JsonObject *body,
                      ControlReply *reply)
{
  g_autoptr (GError) error = NULL;
  const char *ref = NULL;
  guint64 position = 0;
  ChunkId id;

  if (!parse_request (name, body, &id, &ref, &position, &error))
    {
      error->code = G_IO_ERROR_INVALID_ARGUMENT;
      control_reply_send (reply, NULL, error);
      return;
    }
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&requests->lock);
  if (!requests->fetcher)
    {
      fail_code (&error, G_IO_ERROR_NOT_FOUND, "chunk %s: this host has no other to ask", name);
      control_reply_send (reply, NULL, error);
      return;
    }
  chunk_fetcher_want (requests->fetcher, &id, FETCH_DEMAND, FETCH_FROM_ANYONE,
                      requests->config->fetch_deadline_seconds, on_fetched, reply);
  read_ahead_add (requests->read_ahead, ref, position);
}
