// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's side of the control socket: HTTP and JSON on a Unix socket, in the GLib main loop.
//
// A request comes to on_request several times: first with its head, then with each piece of its
// body, at last with none, and only then it is answered.  One that is answered later is suspended
// meanwhile; its reply comes back to the main loop, which lets on_request be called once more.

#include "control-server.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http-source.h"
#include "network/http-answer.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/json-read.h"

#define BODY_SIZE_MAX   (1u << 20)
#define CONNECTIONS_MAX 1024u // of nbdkit each read that waits for another host is one
#define TIMEOUT_SECONDS 30u   // without a byte from the client

struct ControlServer
{
  char *socket_path;
  const ControlRoute *routes;
  gpointer data;
  struct MHD_Daemon *http;
  GSource *source;
  GMainContext *context;
  GHashTable *open_replies; // set of ControlReply *, whose connections are suspended
};

/* Belongs to its request and to whoever is to send it.  */
struct ControlReply
{
  gatomicrefcount references;
  GMainContext *context;
  guint status; // 0: not sent yet; what follows is the answer
  JsonObject *answer;
  // The main loop's alone:
  ControlServer *server;             // NULL: it does not wait any more
  struct MHD_Connection *connection; // NULL likewise
};

/* What MHD keeps for each request.  */
typedef struct
{
  GByteArray *body;
  ControlReply *reply; // NULL: it is answered at once
} Request;

/* Queue STATUS and BODY, which this takes over, as the answer on CONNECTION.  */
static enum MHD_Result
answer (struct MHD_Connection *connection, guint status, JsonObject *body, const char *allow)
{
  struct MHD_Response *response = http_json_response (body);

  if (allow)
    MHD_add_response_header (response, "Allow", allow);
  enum MHD_Result result = MHD_queue_response (connection, status, response);
  MHD_destroy_response (response);
  return result;
}

static enum MHD_Result answer_error (struct MHD_Connection *connection, guint status,
                                     const char *allow, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

static enum MHD_Result
answer_error (struct MHD_Connection *connection, guint status, const char *allow,
              const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *sentence = g_strdup_vprintf (format, args);
  va_end (args);

  return answer (connection, status, http_error_body (sentence), allow);
}

static guint
status_of (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
    return MHD_HTTP_BAD_REQUEST;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return MHD_HTTP_NOT_FOUND;
  return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

/* Whether PATH is what PATTERN, split at each "/", describes; *NAME is then what "*" stood for, of
   several joined by "/", NULL without one.  */
static gboolean
path_matches (char **path, const char *pattern, char **name)
{
  g_auto (GStrv) parts = g_strsplit (pattern, "/", -1);
  g_autoptr (GString) names = g_string_new (NULL);
  guint count = 0;

  if (g_strv_length (path) != g_strv_length (parts))
    return FALSE;
  for (gsize i = 0; parts[i]; i++)
    if (g_str_equal (parts[i], "*"))
      g_string_append_printf (names, "%s%s", count++ > 0 ? "/" : "", path[i]);
    else if (!g_str_equal (parts[i], path[i]))
      return FALSE;
  *name = count > 0 ? g_strdup (names->str) : NULL;
  return TRUE;
}

static void
control_reply_unref (ControlReply *reply)
{
  if (!g_atomic_ref_count_dec (&reply->references))
    return;
  g_clear_pointer (&reply->answer, json_object_unref);
  g_main_context_unref (reply->context);
  g_free (reply);
}

/* In the main loop: let on_request be called once more, if anybody still waits.  */
static gboolean
deliver (gpointer data)
{
  ControlReply *reply = data;

  if (reply->server)
    {
      g_hash_table_remove (reply->server->open_replies, reply);
      MHD_resume_connection (reply->connection);
      MHD_run (reply->server->http); // nothing else tells its GSource
    }
  return G_SOURCE_REMOVE;
}

void
control_reply_send (ControlReply *reply, JsonObject *answer_taken, const GError *error)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  reply->status = answer_taken ? MHD_HTTP_OK : status_of (error);
  reply->answer = answer_taken ? answer_taken : http_error_body (error->message);
  // Not by g_main_context_invoke, which may call at once, in a thread that is not the main loop's.
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, deliver, reply, (GDestroyNotify)control_reply_unref);
  g_source_attach (source, reply->context);
}

static enum MHD_Result
answer_later (ControlServer *server, const ControlRoute *route, const char *name, JsonObject *body,
              struct MHD_Connection *connection, Request *request)
{
  ControlReply *reply = g_new0 (ControlReply, 1);

  g_atomic_ref_count_init (&reply->references);
  g_atomic_ref_count_inc (&reply->references);
  reply->context = g_main_context_ref (server->context);
  reply->server = server;
  reply->connection = connection;
  request->reply = reply;
  g_hash_table_add (server->open_replies, reply);
  MHD_suspend_connection (connection);
  route->start (server->data, name, body, reply);
  return MHD_YES;
}

static enum MHD_Result
answer_reply (struct MHD_Connection *connection, ControlReply *reply)
{
  if (reply->status)
    return answer (connection, reply->status, g_steal_pointer (&reply->answer), NULL);
  return answer_error (connection, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "gildd is ending");
}

static enum MHD_Result
call_handler (ControlServer *server, const ControlRoute *route, const char *name,
              struct MHD_Connection *connection, Request *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = NULL;
  const GByteArray *bytes = request->body;

  if (bytes->len > 0)
    {
      node = json_read_object ((const char *)bytes->data, bytes->len, NULL, &error);
      if (!node)
        return answer_error (connection, MHD_HTTP_BAD_REQUEST, NULL,
                             "the request's body cannot be read: %s", error->message);
    }
  JsonObject *body = node ? json_node_get_object (node) : NULL;
  if (route->start)
    return answer_later (server, route, name, body, connection, request);
  JsonObject *result = route->handler (server->data, name, body, &error);
  if (!result)
    return answer_error (connection, status_of (error), NULL, "%s", error->message);
  return answer (connection, MHD_HTTP_OK, result, NULL);
}

/* Answer a request that is there to its last byte.  */
static enum MHD_Result
dispatch (ControlServer *server, const char *method, const char *path,
          struct MHD_Connection *connection, Request *request)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  g_autoptr (GString) allow = g_string_new (NULL);

  for (const ControlRoute *route = server->routes; route->method; route++)
    {
      g_autofree char *name = NULL;
      if (!path_matches (parts, route->path, &name))
        continue;
      if (g_str_equal (route->method, method))
        return call_handler (server, route, name, connection, request);
      g_string_append_printf (allow, "%s%s", allow->len > 0 ? ", " : "", route->method);
    }
  if (allow->len > 0)
    return answer_error (connection, MHD_HTTP_METHOD_NOT_ALLOWED, allow->str,
                         "%.200s is not for %.20s, but for %s", path, method, allow->str);
  return answer_error (connection, MHD_HTTP_NOT_FOUND, NULL,
                       "there is no %.200s: gildd(8) lists what there is", path);
}

/* The bytes that the head announces; 0 where it says nothing of use.  */
static guint64
announced_size (struct MHD_Connection *connection)
{
  const char *text = MHD_lookup_connection_value (connection, MHD_HEADER_KIND, "Content-Length");

  return text ? g_ascii_strtoull (text, NULL, 10) : 0;
}

static enum MHD_Result
on_request (void *data, struct MHD_Connection *connection, const char *path, const char *method,
            const char *version, const char *piece, size_t *piece_size, void **state)
{
  Request *request = *state;

  if (!request)
    {
      *state = request = g_new0 (Request, 1);
      request->body = g_byte_array_new ();
      if (announced_size (connection) <= BODY_SIZE_MAX)
        return MHD_YES;
      return answer_error (connection, MHD_HTTP_CONTENT_TOO_LARGE, NULL,
                           "the request's body is larger than %u bytes", BODY_SIZE_MAX);
    }
  if (*piece_size == 0)
    return request->reply ? answer_reply (connection, request->reply)
                          : dispatch (data, method, path, connection, request);
  GByteArray *body = request->body;
  if (body->len + *piece_size > BODY_SIZE_MAX)
    return MHD_NO; // it announced less or nothing; an answer is not possible any more
  g_byte_array_append (body, (const guint8 *)piece, (guint)*piece_size);
  *piece_size = 0;
  return MHD_YES;
}

static void
on_request_end (void *data, struct MHD_Connection *connection, void **state,
                enum MHD_RequestTerminationCode code)
{
  g_autofree Request *request = g_steal_pointer (state);

  if (!request)
    return;
  if (request->reply)
    control_reply_unref (request->reply);
  g_byte_array_unref (request->body);
}

/* Names need no escapes, so none is undone, and none gets through.  */
static size_t
leave_escapes (void *data, struct MHD_Connection *connection, char *text)
{
  return strlen (text);
}

static void log_http (void *data, const char *format, va_list args) G_GNUC_PRINTF (2, 0);

static void
log_http (void *data, const char *format, va_list args)
{
  g_autofree char *line = g_strdup_vprintf (format, args);

  g_debug ("libmicrohttpd: %s", g_strchomp (line));
}

/* A socket that listens at PATH, -1 on error.  */
static int
listen_at (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (strlen (path) >= sizeof address.sun_path)
    {
      fail (error, "%s: too long for a socket's path: use a shorter [paths] run=", path);
      close (fd);
      return -1;
    }
  memcpy (address.sun_path, path, strlen (path));
  unlink (path);
  mode_t mask = umask (0117);
  gboolean bound = fd >= 0 && bind (fd, (struct sockaddr *)&address, sizeof address) == 0
                   && listen (fd, (int)CONNECTIONS_MAX) == 0;
  int saved_errno = errno;
  umask (mask);
  if (bound)
    return fd;
  if (fd >= 0)
    close (fd);
  errno = saved_errno;
  fail_errno (error, "cannot listen at %s", path);
  return -1;
}

ControlServer *
control_server_new (const char *socket_path, const ControlRoute *routes, gpointer data,
                    GMainContext *context, GError **error)
{
  g_autoptr (ControlServer) server = g_new0 (ControlServer, 1);
  int fd = listen_at (socket_path, error);

  if (fd < 0)
    return NULL;
  server->socket_path = g_strdup (socket_path);
  server->routes = routes;
  server->data = data;
  server->context = g_main_context_ref (context ? context : g_main_context_default ());
  server->open_replies = g_hash_table_new (NULL, NULL);
  server->http = MHD_start_daemon (
      MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
      server, MHD_OPTION_EXTERNAL_LOGGER, log_http, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
      MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS,
      MHD_OPTION_NOTIFY_COMPLETED, on_request_end, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
      leave_escapes, NULL, MHD_OPTION_END);
  if (!server->http)
    {
      fail (error, "libmicrohttpd cannot serve %s", socket_path);
      return NULL;
    }
  server->source = http_source_new (server->http);
  g_source_attach (server->source, context);
  return g_steal_pointer (&server);
}

/* Nobody waits for an answer any more: libmicrohttpd wants no connection to be suspended.  */
static void
end_replies (ControlServer *server)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, server->open_replies);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      ControlReply *reply = key;
      reply->server = NULL;
      MHD_resume_connection (reply->connection);
    }
}

void
control_server_free (ControlServer *server)
{
  if (!server)
    return;
  if (server->socket_path)
    unlink (server->socket_path);
  if (server->source)
    g_source_destroy (server->source);
  g_clear_pointer (&server->source, g_source_unref);
  if (server->http)
    end_replies (server);
  g_clear_pointer (&server->http, MHD_stop_daemon);
  g_clear_pointer (&server->open_replies, g_hash_table_unref);
  g_clear_pointer (&server->context, g_main_context_unref);
  g_free (server->socket_path);
  g_free (server);
}
