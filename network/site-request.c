// SPDX-License-Identifier: GPL-2.0-or-later
// One request of another host, from its head to its answer.

#include "site-request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http-answer.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/record-file.h"
#include "revocation.h"

#define BODY_SECONDS   30  // for the rest of a request whose head is there
#define ANSWER_SECONDS 600 // for an answer, however slowly it is read

struct SiteRequest
{
  const SiteAnswers *answers;
  struct MHD_Connection *connection;
  SitePeer *peer;
  SiteRoute route;
  SiteWait wait;
  GByteArray *body;
};

typedef enum MHD_Result (*Answer) (SiteRequest *request);

/* Read the body as an object of FORMAT; NULL: the refusal was queued, with *RESULT.  */
static JsonNode *
read_body (SiteRequest *request, const char *format, enum MHD_Result *result)
{
  g_autoptr (GError) error = NULL;
  JsonNode *node =
      json_read_object ((const char *)request->body->data, request->body->len, format, &error);

  if (!node)
    *result = http_answer_error (request->connection, MHD_HTTP_BAD_REQUEST,
                                 "the request's body cannot be read: %s", error->message);
  return node;
}

/* Tell the other host why, or the log, where it is this host's own affair.  */
static enum MHD_Result
refuse (SiteRequest *request, const GError *error)
{
  guint status = http_status_of (error);
  const char *host = site_peer_host (request->peer);

  if (status != MHD_HTTP_INTERNAL_SERVER_ERROR)
    return http_answer_error (request->connection, status, "%s", error->message);
  g_message ("a request of %s (%s) failed: %s", host ? host : "a PC that wants to join",
             site_peer_address (request->peer), error->message);
  return http_answer_error (request->connection, status,
                            "this host has trouble, and its log says which");
}

/* Answer with OBJECT, or where that is NULL, with ERROR.  */
static enum MHD_Result
answer_object (SiteRequest *request, JsonObject *object, const GError *error)
{
  return object ? http_answer (request->connection, MHD_HTTP_OK, object) : refuse (request, error);
}

/* The same for what has nothing to say but that it was done.  */
static enum MHD_Result
answer_done (SiteRequest *request, gboolean done, const GError *error)
{
  return answer_object (request, done ? json_object_new () : NULL, error);
}

static enum MHD_Result
answer_unknown (SiteRequest *request)
{
  return http_answer_error (request->connection, MHD_HTTP_NOT_FOUND, "there is no such thing here");
}

static enum MHD_Result
answer_wrong_method (SiteRequest *request)
{
  return http_answer_error (request->connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                            "that is not what can be done with it");
}

static enum MHD_Result
answer_chunk (SiteRequest *request)
{
  struct MHD_Response *response;

  switch (chunk_sender_send (request->answers->sender, &request->wait, &request->route.chunk,
                             &response))
    {
    case CHUNK_SENDER_DONE:
      return http_answer_response (request->connection, response, "application/octet-stream");
    case CHUNK_SENDER_WAITS:
      return MHD_YES;
    case CHUNK_SENDER_MISSING:
      break;
    }
  return http_answer_error (request->connection, MHD_HTTP_NOT_FOUND, "this host has no such chunk");
}

static enum MHD_Result
answer_chunks (SiteRequest *request)
{
  g_autofree ChunkWant *want = g_new (ChunkWant, 1);
  g_autoptr (GError) error = NULL;

  if (!chunk_want_from_json ((const char *)request->body->data, request->body->len, want, &error))
    return http_answer_error (request->connection, MHD_HTTP_BAD_REQUEST,
                              "the request's body cannot be read: %s", error->message);
  return http_answer_response (
      request->connection,
      chunk_sender_stream (request->answers->sender, request->connection, want), CHUNK_STREAM_TYPE);
}

/* Answer with the file at PATH as it is.  */
static enum MHD_Result
answer_file (SiteRequest *request, const char *path, const char *type)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status;

  if (fd < 0 && errno == ENOENT)
    return http_answer_error (request->connection, MHD_HTTP_NOT_FOUND, "this host has not got it");
  if (fd >= 0 && fstat (fd, &status) == 0 && S_ISREG (status.st_mode)
      && status.st_size <= (off_t)RECORD_SIZE_MAX)
    return http_answer_response (request->connection,
                                 MHD_create_response_from_fd64 ((guint64)status.st_size, fd), type);
  g_autoptr (GError) error = NULL;
  if (fd < 0)
    fail_errno (&error, "%s", path);
  else
    {
      fail (&error, "%s: it is too large or no file", path);
      close (fd);
    }
  return refuse (request, error);
}

static gboolean
may_have_image (SiteRequest *request)
{
  return config_host_may_have (request->answers->config, request->route.image,
                               site_peer_host (request->peer));
}

static enum MHD_Result
answer_no_image (SiteRequest *request)
{
  return http_answer_error (request->connection, MHD_HTTP_FORBIDDEN,
                            "%s is not for host %s ([department] hosts= says so)",
                            request->route.image, site_peer_host (request->peer));
}

static enum MHD_Result
answer_record (SiteRequest *request)
{
  g_autofree char *path = config_state_path (request->answers->config, "images",
                                             request->route.image, request->route.file, NULL);

  return may_have_image (request) ? answer_file (request, path, "application/octet-stream")
                                  : answer_no_image (request);
}

static enum MHD_Result
answer_profile (SiteRequest *request)
{
  const SiteServerCalls *calls = request->answers->calls;
  enum MHD_Result result;
  g_autoptr (GError) error = NULL;

  if (!may_have_image (request))
    return answer_no_image (request);
  g_autoptr (JsonNode) body = read_body (request, "gild-profile-1", &result);
  if (!body)
    return result;
  return answer_done (request,
                      calls->take_profile (calls->data, site_peer_host (request->peer),
                                           request->route.image, request->route.version,
                                           json_node_get_object (body), &error),
                      error);
}

static enum MHD_Result
answer_heartbeat (SiteRequest *request)
{
  const SiteServerCalls *calls = request->answers->calls;
  enum MHD_Result result;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) body = read_body (request, "gild-heartbeat-1", &result);

  if (!body)
    return result;
  JsonObject *object =
      calls->heartbeat (calls->data, site_peer_host (request->peer),
                        site_peer_address (request->peer), json_node_get_object (body), &error);
  return answer_object (request, object, error);
}

static enum MHD_Result
answer_crl (SiteRequest *request)
{
  return answer_file (request, request->answers->crl_path, "application/x-pem-file");
}

static enum MHD_Result
answer_new_crl (SiteRequest *request)
{
  const SiteServerCalls *calls = request->answers->calls;
  g_autoptr (GError) error = NULL;
  gboolean done =
      calls->take_crl (calls->data, (const char *)request->body->data, request->body->len, &error);

  return answer_done (request, done, error);
}

static enum MHD_Result
answer_join (SiteRequest *request)
{
  const SiteServerCalls *calls = request->answers->calls;
  enum MHD_Result result;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) body = read_body (request, "gild-join-1", &result);

  if (!body)
    return result;
  JsonObject *object = calls->join (calls->data, site_peer_address (request->peer),
                                    json_node_get_object (body), &error);
  return answer_object (request, object, error);
}

static const struct
{
  Answer answer;
  gsize body_max; // bytes
} ACTIONS[SITE_N_ACTIONS] = {
  [SITE_UNKNOWN] = { answer_unknown, 0 },
  [SITE_WRONG_METHOD] = { answer_wrong_method, 0 },
  [SITE_GET_CHUNK] = { answer_chunk, 0 },
  [SITE_POST_CHUNKS] = { answer_chunks, CHUNK_WANT_SIZE_MAX },
  [SITE_GET_RECORD] = { answer_record, 0 },
  [SITE_POST_PROFILE] = { answer_profile, 4u << 20 },
  [SITE_HEARTBEAT] = { answer_heartbeat, 256u << 10 },
  [SITE_GET_CRL] = { answer_crl, 0 },
  [SITE_PUT_CRL] = { answer_new_crl, REVOCATION_SIZE_MAX },
  [SITE_JOIN] = { answer_join, 16u << 10 },
};

/* The bytes that the head announces; 0 where it says nothing of use.  */
static guint64
announced_size (struct MHD_Connection *connection)
{
  const char *text = MHD_lookup_connection_value (connection, MHD_HEADER_KIND, "Content-Length");

  return text ? g_ascii_strtoull (text, NULL, 10) : 0;
}

/* Whether the other host may ask at all: it has a certificate of the site, or wants to join.  */
static gboolean
check_peer (SiteRequest *request, enum MHD_Result *result)
{
  const SiteAnswers *answers = request->answers;
  g_autoptr (GError) error = NULL;

  if (request->route.action == SITE_JOIN)
    {
      const union MHD_ConnectionInfo *address =
          MHD_get_connection_info (request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
      if (address_limit_take (answers->joins, address->client_addr, g_get_monotonic_time ()))
        return TRUE;
      *result = http_answer_error (request->connection, MHD_HTTP_TOO_MANY_REQUESTS,
                                   "too many PCs want to join from here: try again in a minute");
      return FALSE;
    }
  const union MHD_ConnectionInfo *session =
      MHD_get_connection_info (request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  if (site_peer_check (answers->peers, request->peer, session->tls_session, &error))
    return TRUE;
  *result = http_answer_error (request->connection, MHD_HTTP_FORBIDDEN, "%s", error->message);
  return FALSE;
}

/* Answer by the head alone whoever may not ask, what is not there, and what is too large.  */
static gboolean
check_head (SiteRequest *request, enum MHD_Result *result)
{
  gsize body_max = ACTIONS[request->route.action].body_max;

  if (!check_peer (request, result))
    return FALSE;
  if (request->route.action == SITE_UNKNOWN || request->route.action == SITE_WRONG_METHOD)
    {
      *result = ACTIONS[request->route.action].answer (request);
      return FALSE;
    }
  if (announced_size (request->connection) <= body_max)
    return TRUE;
  *result =
      http_answer_error (request->connection, MHD_HTTP_CONTENT_TOO_LARGE,
                         "the request's body is larger than %" G_GSIZE_FORMAT " bytes", body_max);
  return FALSE;
}

SiteRequest *
site_request_new (const SiteAnswers *answers, struct MHD_Connection *connection, SitePeer *peer,
                  const char *method, const char *path, enum MHD_Result *result)
{
  SiteRequest *request = g_new0 (SiteRequest, 1);

  request->answers = answers;
  request->connection = connection;
  request->peer = peer;
  site_route_parse (method, path, &request->route);
  site_wait_init (&request->wait, connection);
  request->body = g_byte_array_new ();
  *result = MHD_YES;
  if (check_head (request, result))
    site_peer_allow (answers->peers, peer, BODY_SECONDS);
  return request;
}

void
site_request_free (SiteRequest *request)
{
  site_peer_allow (request->answers->peers, request->peer, 0);
  site_route_clear (&request->route);
  g_byte_array_unref (request->body);
  g_free (request);
}

gboolean
site_request_add (SiteRequest *request, const char *piece, gsize size)
{
  if (request->body->len + size > ACTIONS[request->route.action].body_max)
    return FALSE; // it announced less or nothing; an answer is not possible any more
  g_byte_array_append (request->body, (const guint8 *)piece, (guint)size);
  return TRUE;
}

enum MHD_Result
site_request_answer (SiteRequest *request)
{
  site_peer_allow (request->answers->peers, request->peer, ANSWER_SECONDS);
  return ACTIONS[request->route.action].answer (request);
}
