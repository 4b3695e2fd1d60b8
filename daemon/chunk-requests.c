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
  DamageCheck *check;
  GMutex lock; // guards what follows
  ChunkFetcher *fetcher;
  ReadAhead *read_ahead; // as long as there is a fetcher
};

ChunkRequests *
chunk_requests_new (const Config *config, DamageCheck *check)
{
  ChunkRequests *requests = g_new0 (ChunkRequests, 1);

  requests->config = config;
  requests->check = check;
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

/* What nbdkit asks for.  */
typedef struct
{
  ChunkRequests *requests;
  ControlReply *reply; // owned, until it is given away
  ChunkId id;
  char *ref;
  guint64 position;
  gboolean is_damaged;
} Request;

static void
request_free (Request *request)
{
  g_free (request->ref);
  g_free (request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Request, request_free)

static gboolean
request_parse (Request *request, const char *name, JsonObject *body, GError **error)
{
  g_autofree char *image = NULL;
  guint version;

  if (!chunk_id_from_hex (name, &request->id))
    return fail (error, "'%.100s' is not a chunk: its id has 64 lower-case hexadecimal digits",
                 name);
  if (!body)
    return fail (error, "a request for a chunk says which image it is for");
  request->ref = g_strdup (json_read_string (body, "image", REF_SIZE_MAX, error));
  return request->ref && image_ref_parse (request->ref, &image, &version, error)
         && (version > 0 || fail (error, "'%s' names no version", request->ref))
         && json_read_uint (body, "position", 0, INDEX_VIRTUAL_SIZE_MAX / CHUNK_SIZE,
                            &request->position, error)
         && (!json_object_has_member (body, "damaged")
             || json_read_boolean (body, "damaged", &request->is_damaged, error));
}

/* In a thread of the fetcher's.  */
static void
on_fetched (const ChunkId *id, const GError *error, gpointer reply)
{
  control_reply_send (reply, error ? NULL : json_object_new (), error);
}

/* The chunk is not there.  */
static void
fetch (Request *request)
{
  ChunkRequests *requests = request->requests;

  chunk_fetcher_want (requests->fetcher, &request->id, FETCH_DEMAND, FETCH_FROM_ANYONE,
                      requests->config->fetch_deadline_seconds, on_fetched, request->reply);
  read_ahead_add (requests->read_ahead, request->ref, request->position);
}

static gboolean
has_others (const ChunkRequests *requests, GError **error)
{
  return requests->fetcher
         || fail_code (error, G_IO_ERROR_NOT_FOUND, "this host has no other to ask for the chunk");
}

/* In a thread of the check's.  */
static void
on_looked_at (const ChunkId *id, const GError *trouble, gpointer data)
{
  g_autoptr (Request) request = data;
  g_autoptr (GError) error = trouble ? g_error_copy (trouble) : NULL;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&request->requests->lock);

  if (error || !has_others (request->requests, &error))
    control_reply_send (request->reply, NULL, error);
  else
    fetch (request);
}

void
chunk_requests_start (ChunkRequests *requests, const char *name, JsonObject *body,
                      ControlReply *reply)
{
  g_autoptr (Request) request = g_new0 (Request, 1);
  g_autoptr (GError) error = NULL;

  request->requests = requests;
  request->reply = reply;
  if (!request_parse (request, name, body, &error))
    {
      error->code = G_IO_ERROR_INVALID_ARGUMENT;
      control_reply_send (reply, NULL, error);
      return;
    }
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&requests->lock);
  if (!has_others (requests, &error))
    control_reply_send (reply, NULL, error);
  else if (!request->is_damaged)
    fetch (request);
  else if (damage_check_add (requests->check, &request->id, on_looked_at, request, &error))
    g_steal_pointer (&request);
  else
    control_reply_send (reply, NULL, error);
}
