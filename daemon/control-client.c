// SPDX-License-Identifier: GPL-2.0-or-later
// The client's side of gildd's control socket: one request, one answer, HTTP/1.1 and JSON.
//
// The client is strict, since the hook is root and gildd is not: an answer has a bounded size and
// time.

#include "control-client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control-answer.h"
#include "qcow-backing/fail.h"

G_DEFINE_QUARK (gild_control_error, control_error)

static gboolean
fail_unreachable (GError **error, const char *socket_path, int cause)
{
  if (cause == EACCES || cause == EPERM)
    return fail_as (
        error, CONTROL_ERROR, CONTROL_ERROR_UNREACHABLE,
        "you may not talk to gildd at %s (%s): be root or a member of the socket's group",
        socket_path, g_strerror (cause));
  return fail_as (
      error, CONTROL_ERROR, CONTROL_ERROR_UNREACHABLE,
      "gildd does not answer at %s (%s): start it with `systemctl start gildd` or `gild-services start`",
      socket_path, g_strerror (cause));
}

static gboolean
fail_late (GError **error, const char *socket_path)
{
  return fail_as (
      error, CONTROL_ERROR, CONTROL_ERROR_UNREACHABLE,
      "gildd at %s took too long to answer: see its log, and restart it with `systemctl restart gildd` or `gild-services restart`",
      socket_path);
}

/* Connect FD before DEADLINE (monotonic microseconds).  */
static gboolean
connect_socket (int fd, const char *socket_path, gint64 deadline, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  // A Unix socket whose backlog is full makes connect wait for as long as SO_SNDTIMEO says.
  gint64 left = MAX (deadline - g_get_monotonic_time (), 1000);
  struct timeval timeout = { left / G_USEC_PER_SEC, left % G_USEC_PER_SEC };

  if (strlen (socket_path) >= sizeof address.sun_path)
    return fail_unreachable (error, socket_path, ENAMETOOLONG);
  memcpy (address.sun_path, socket_path, strlen (socket_path));
  if (setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0
      && connect (fd, (struct sockaddr *)&address, sizeof address) == 0)
    return TRUE;
  return errno == EAGAIN ? fail_late (error, socket_path)
                         : fail_unreachable (error, socket_path, errno);
}

/* Wait until FD is ready for EVENTS.  */
static gboolean
wait_ready (int fd, short events, gint64 deadline, const char *socket_path, GError **error)
{
  struct pollfd ready = { .fd = fd, .events = events };
  int count;

  do
    {
      gint64 left = deadline - g_get_monotonic_time ();
      count = left > 0 ? poll (&ready, 1, (int)((left + 999) / 1000)) : 0;
    }
  while (count < 0 && errno == EINTR);
  return count > 0 || fail_late (error, socket_path);
}

static gboolean
send_all (int fd, const GString *request, gint64 deadline, const char *socket_path, GError **error)
{
  gsize sent = 0;

  while (sent < request->len)
    {
      gssize count =
          send (fd, request->str + sent, request->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0)
        sent += (gsize)count;
      else if (errno == EPIPE || errno == ECONNRESET)
        return TRUE; // it may have answered without reading all
      else if (errno != EAGAIN && errno != EINTR)
        return fail_unreachable (error, socket_path, errno);
      else if (!wait_ready (fd, POLLOUT, deadline, socket_path, error))
        return FALSE;
    }
  return TRUE;
}

static GString *
build_request (const char *method, const char *path, JsonNode *body)
{
  g_autofree char *text = body ? json_to_string (body, FALSE) : g_strdup ("");
  GString *request = g_string_new (NULL);

  g_string_append_printf (request, "%s %s HTTP/1.1\r\nHost: gildd\r\nConnection: close\r\n", method,
                          path);
  if (body)
    g_string_append (request, "Content-Type: application/json\r\n");
  g_string_append_printf (request, "Content-Length: %zu\r\n\r\n%s", strlen (text), text);
  return request;
}

static gboolean
receive_answer (int fd, ControlAnswer *answer, gint64 deadline, const char *socket_path,
                GError **error)
{
  gboolean done = FALSE;
  char buffer[16384];

  while (!done)
    {
      gssize count = recv (fd, buffer, sizeof buffer, MSG_DONTWAIT);
      if (count < 0 && errno == ECONNRESET)
        count = 0; // it hung up without reading all of the request
      if (count == 0 && answer->bytes->len == 0)
        return fail_unreachable (error, socket_path, ECONNRESET);
      if (count < 0 && errno != EAGAIN && errno != EINTR)
        return fail_unreachable (error, socket_path, errno);
      if (count < 0 && !wait_ready (fd, POLLIN, deadline, socket_path, error))
        return FALSE;
      if (count >= 0 && !control_answer_add (answer, buffer, (gsize)count, &done, error))
        return FALSE;
    }
  return TRUE;
}

/* One request, one answer, on a connection of its own.  */
static gboolean
exchange (const char *socket_path, const GString *request, ControlAnswer *answer, gint64 deadline,
          GError **error)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0)
    return fail_unreachable (error, socket_path, errno);
  gboolean done = connect_socket (fd, socket_path, deadline, error)
                  && send_all (fd, request, deadline, socket_path, error)
                  && receive_answer (fd, answer, deadline, socket_path, error);
  close (fd);
  return done;
}

JsonNode *
control_call (const char *socket_path, const char *method, const char *path, JsonNode *body,
              guint timeout_seconds, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64)timeout_seconds * G_USEC_PER_SEC;
  g_autoptr (GString) request = build_request (method, path, body);
  g_autoptr (GString) bytes = g_string_new (NULL);
  ControlAnswer answer = { .bytes = bytes, .body_size = -1 };
  g_autoptr (GError) cause = NULL;
  JsonNode *node = NULL;

  if (exchange (socket_path, request, &answer, deadline, &cause))
    node = control_answer_read (&answer, &cause);
  if (g_error_matches (cause, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL))
    g_prefix_error (&cause, "what answers at %s is not gildd: ", socket_path);
  if (!node)
    g_propagate_error (error, g_steal_pointer (&cause));
  return node;
}
