// SPDX-License-Identifier: GPL-2.0-or-later
// The client's side of gildd's control socket: one request, one answer, HTTP/1.1 and JSON.
//
// The client is strict, since the hook is root and gildd is not: an answer has a bounded size and
// time, a Content-Length or the connection's end as its end, and nothing else that HTTP would
// allow.

#include "control-client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qcow-backing/json-read.h"

#define HEAD_SIZE_MAX (16u << 10)
#define BODY_SIZE_MAX (16u << 20)
#define SENTENCE_MAX  2000 // bytes

G_DEFINE_QUARK (gild_control_error, control_error)

static gboolean fail_as (GError **error, ControlError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

static gboolean
fail_as (GError **error, ControlError code, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *sentence = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, CONTROL_ERROR, (gint)code, sentence);
  return FALSE;
}

static gboolean
fail_unreachable (GError **error, const char *socket_path, int cause)
{
  if (cause == EACCES || cause == EPERM)
    return fail_as (
        error, CONTROL_ERROR_UNREACHABLE,
        "you may not talk to gildd at %s (%s): be root or a member of the socket's group",
        socket_path, g_strerror (cause));
  return fail_as (
      error, CONTROL_ERROR_UNREACHABLE,
      "gildd does not answer at %s (%s): start it with `systemctl start gildd` or `gild-services start`",
      socket_path, g_strerror (cause));
}

static gboolean
fail_late (GError **error, const char *socket_path)
{
  return fail_as (
      error, CONTROL_ERROR_UNREACHABLE,
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

typedef struct
{
  GString *bytes;   // all that came
  gsize head_size;  // with the empty line that ends it; 0 until it is there
  guint status;     // the three digits
  gssize body_size; // -1: up to the connection's end
} Answer;

/* The value of header NAME, if LINE is that header.  */
static const char *
header_value (const char *line, const char *name)
{
  gsize length = strlen (name);

  if (g_ascii_strncasecmp (line, name, length) != 0 || line[length] != ':')
    return NULL;
  return line + length + 1 + strspn (line + length + 1, " \t");
}

static gboolean
read_header (Answer *answer, const char *line, GError **error)
{
  const char *length = header_value (line, "Content-Length");
  guint64 size = 0;

  if (header_value (line, "Transfer-Encoding"))
    return fail_as (error, CONTROL_ERROR_PROTOCOL, "it uses a transfer encoding");
  if (!length)
    return TRUE;
  if (!g_ascii_string_to_unsigned (length, 10, 0, BODY_SIZE_MAX, &size, NULL))
    return fail_as (error, CONTROL_ERROR_PROTOCOL, "its Content-Length is '%.40s'", length);
  if (answer->body_size >= 0 && (guint64)answer->body_size != size)
    return fail_as (error, CONTROL_ERROR_PROTOCOL, "it has two lengths");
  answer->body_size = (gssize)size;
  return TRUE;
}

static gboolean
read_status_line (Answer *answer, const char *line, GError **error)
{
  if (g_regex_match_simple ("^HTTP/1\\.[01] [2-5][0-9][0-9]( |$)", line, 0, 0))
    {
      answer->status = (guint)g_ascii_strtoull (line + strlen ("HTTP/1.x "), NULL, 10);
      return TRUE;
    }
  return fail_as (error, CONTROL_ERROR_PROTOCOL, "it does not start as HTTP does");
}

/* Read status and headers, once all of them are there.  */
static gboolean
read_head (Answer *answer, GError **error)
{
  const char *end = g_strstr_len (answer->bytes->str, (gssize)answer->bytes->len, "\r\n\r\n");

  if (!end)
    return answer->bytes->len <= HEAD_SIZE_MAX
           || fail_as (error, CONTROL_ERROR_PROTOCOL, "its head does not end");
  g_autofree char *head = g_strndup (answer->bytes->str, (gsize)(end - answer->bytes->str));
  g_auto (GStrv) lines = g_strsplit (head, "\r\n", -1);
  if (!read_status_line (answer, lines[0] ? lines[0] : "", error))
    return FALSE;
  for (gsize i = 1; lines[i]; i++)
    if (!read_header (answer, lines[i], error))
      return FALSE;
  answer->head_size = (gsize)(end - answer->bytes->str) + strlen ("\r\n\r\n");
  return TRUE;
}

/* Take in the COUNT bytes that came, 0 being the connection's end; sets *DONE when the answer is
 * whole.  */
static gboolean
answer_add (Answer *answer, const char *bytes, gsize count, gboolean *done, GError **error)
{
  g_string_append_len (answer->bytes, bytes, (gssize)count);
  if (!answer->head_size && !read_head (answer, error))
    return FALSE;

  gsize body_size = answer->bytes->len - answer->head_size;
  if (!answer->head_size)
    *done = FALSE;
  else if (answer->body_size >= 0)
    *done = body_size >= (gsize)answer->body_size;
  else
    *done = count == 0;
  if (*done && answer->body_size >= 0 && body_size > (gsize)answer->body_size)
    return fail_as (error, CONTROL_ERROR_PROTOCOL, "it goes on past its end");
  if (answer->head_size && body_size > BODY_SIZE_MAX)
    return fail_as (error, CONTROL_ERROR_PROTOCOL, "it is larger than %u MiB", BODY_SIZE_MAX >> 20);
  if (!*done && count == 0)
    return fail_as (error, CONTROL_ERROR_PROTOCOL, "it ends too early");
  return TRUE;
}

static gboolean
receive_answer (int fd, Answer *answer, gint64 deadline, const char *socket_path, GError **error)
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
      if (count >= 0 && !answer_add (answer, buffer, (gsize)count, &done, error))
        {
          g_prefix_error (error, "what answers at %s is not gildd: ", socket_path);
          return FALSE;
        }
    }
  return TRUE;
}

/* TEXT as one line, bounded and without what could play with a terminal.  */
static char *
make_printable (const char *text)
{
  g_autoptr (GString) line = g_string_new (NULL);

  for (const char *at = text; *at && line->len < SENTENCE_MAX; at = g_utf8_next_char (at))
    g_string_append_unichar (line,
                             g_unichar_iscntrl (g_utf8_get_char (at)) ? ' ' : g_utf8_get_char (at));
  return g_strdup (line->str);
}

static gboolean
fail_refused (GError **error, const char *socket_path, guint status, JsonObject *body)
{
  JsonNode *member = json_object_get_member (body, "error");

  if (!member || json_node_get_value_type (member) != G_TYPE_STRING)
    return fail_as (error, CONTROL_ERROR_PROTOCOL,
                    "what answers at %s is not gildd: it says %u and no reason", socket_path,
                    status);
  g_autofree char *sentence = make_printable (json_node_get_string (member));
  return fail_as (error, CONTROL_ERROR_REFUSED, "%s", sentence);
}

/* One request, one answer, on a connection of its own.  */
static gboolean
exchange (const char *socket_path, const GString *request, Answer *answer, gint64 deadline,
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
  g_autoptr (GError) json_error = NULL;
  Answer answer = { .bytes = bytes, .body_size = -1 };

  if (!exchange (socket_path, request, &answer, deadline, error))
    return NULL;
  g_autoptr (JsonNode) node = json_read_object (bytes->str + answer.head_size,
                                                bytes->len - answer.head_size, NULL, &json_error);
  if (!node)
    fail_as (error, CONTROL_ERROR_PROTOCOL, "what answers at %s is not gildd: %s", socket_path,
             json_error->message);
  else if (answer.status > 299)
    fail_refused (error, socket_path, answer.status, json_node_get_object (node));
  else
    return g_steal_pointer (&node);
  return NULL;
}
