// SPDX-License-Identifier: GPL-2.0-or-later
// The control socket's client against answers that gildd would not give, and against gildd's own
// server.

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control-client.h"
#include "daemon/control-server.h"
#include "qcow-backing/fail.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define TIMEOUT 10

/* A server that says what it is told to, to one client.  */
typedef struct
{
  char *directory, *path;
  int fd;
  const char *bytes;
  gsize size;
  gsize repeat;          // how often it says it
  gsize piece;           // bytes for each send; 0: all at once
  gulong pause;          // microseconds between two sends
  gboolean deaf, silent; // do not read the request; do not hang up before the client does
  GString *request;
  GThread *thread;
} FakeServer;

static int
bind_socket (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

static gboolean
say (const FakeServer *server, int fd)
{
  gsize piece = server->piece ? server->piece : server->size;

  for (gsize at = 0; at < server->size; at += piece)
    {
      gsize size = MIN (piece, server->size - at);
      if (send (fd, server->bytes + at, size, MSG_NOSIGNAL) != (gssize)size)
        return FALSE;
      if (server->pause)
        g_usleep (server->pause);
    }
  return TRUE;
}

static gpointer
serve (gpointer data)
{
  FakeServer *server = data;
  int fd = accept (server->fd, NULL, NULL);
  char buffer[4096];
  gssize count;

  while (!server->deaf && !strstr (server->request->str, "\r\n\r\n")
         && (count = recv (fd, buffer, sizeof buffer, 0)) > 0)
    g_string_append_len (server->request, buffer, count);
  for (gsize i = 0; i < MAX (server->repeat, 1) && say (server, fd); i++)
    ;
  while (server->silent && recv (fd, buffer, sizeof buffer, 0) > 0)
    ;
  close (fd);
  return NULL;
}

static void
fake_server_start (FakeServer *server)
{
  server->directory = g_dir_make_tmp ("gild-control-XXXXXX", NULL);
  server->path = g_build_filename (server->directory, "sock", NULL);
  server->fd = bind_socket (server->path);
  g_assert_cmpint (listen (server->fd, 1), ==, 0);
  server->request = g_string_new (NULL);
  server->thread = g_thread_new ("server", serve, server);
}

static void
fake_server_stop (FakeServer *server)
{
  g_thread_join (server->thread);
  close (server->fd);
  g_unlink (server->path);
  g_rmdir (server->directory);
  g_string_free (server->request, TRUE);
  g_free (server->path);
  g_free (server->directory);
}

typedef struct
{
  const char *name;
  const char *bytes;
  gsize size; // 0: to the NUL
  ControlError code;
  const char *sentence; // a glob
  gsize repeat;
  gboolean silent;
} BadAnswer;

#define NEST8 "[[[[[[[["
static const BadAnswer BAD_ANSWERS[] = {
  { "nothing", "", 0, CONTROL_ERROR_UNREACHABLE, "*Connection reset*start it*" },
  { "nothing, for ever", "", 0, CONTROL_ERROR_UNREACHABLE, "*took too long*restart*", 0, TRUE },
  { "half an answer, for ever", OK_HEAD "Content-Length: 4\r\n\r\n{}", 0, CONTROL_ERROR_UNREACHABLE,
    "*took too long*", 0, TRUE },
  { "garbage", "\xff\xfe\x00\x01\r\n\r\n", 8, CONTROL_ERROR_PROTOCOL, "*not gildd*" },
  { "garbage that is no UTF-8", "\xff\xfe\xfd\r\n\r\n", 0, CONTROL_ERROR_PROTOCOL,
    "*does not start as HTTP*" },
  { "a NUL in the head", "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n{}", 26, CONTROL_ERROR_PROTOCOL,
    "*not gildd*" },
  { "another protocol", "NBDMAGICIHAVEOPT\r\n\r\n", 0, CONTROL_ERROR_PROTOCOL,
    "*does not start as HTTP*" },
  { "another version", "HTTP/2.0 200 OK\r\n\r\n{}", 0, CONTROL_ERROR_PROTOCOL,
    "*does not start as HTTP*" },
  { "a status of two digits", "HTTP/1.1 20 OK\r\n\r\n{}", 0, CONTROL_ERROR_PROTOCOL,
    "*does not start as HTTP*" },
  { "a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n{}", 0, CONTROL_ERROR_PROTOCOL,
    "*does not start as HTTP*" },
  { "an interim status", "HTTP/1.1 100 Continue\r\n\r\n", 0, CONTROL_ERROR_PROTOCOL,
    "*does not start as HTTP*" },
  { "a head cut short", "HTTP/1.1 200 OK\r\nContent-", 0, CONTROL_ERROR_PROTOCOL,
    "*ends too early*" },
  { "a head without an end", "HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\nA: b", 0, CONTROL_ERROR_PROTOCOL,
    "*head does not end*", 4000 },
  { "a body cut short", OK_HEAD "Content-Length: 100\r\n\r\n{}", 0, CONTROL_ERROR_PROTOCOL,
    "*ends too early*" },
  { "a body that goes on", OK_HEAD "Content-Length: 2\r\n\r\n{}{}", 0, CONTROL_ERROR_PROTOCOL,
    "*past its end*" },
  { "a negative length", OK_HEAD "Content-Length: -2\r\n\r\n{}", 0, CONTROL_ERROR_PROTOCOL,
    "*Content-Length is '-2'*" },
  { "a length too large", OK_HEAD "Content-Length: 16777217\r\n\r\n{}", 0, CONTROL_ERROR_PROTOCOL,
    "*Content-Length is '16777217'*" },
  { "a length past 64 bits", OK_HEAD "Content-Length: 18446744073709551618\r\n\r\n{}", 0,
    CONTROL_ERROR_PROTOCOL, "*Content-Length is*" },
  { "a length with a tail", OK_HEAD "Content-Length: 2, 2\r\n\r\n{}", 0, CONTROL_ERROR_PROTOCOL,
    "*Content-Length is '2, 2'*" },
  { "two lengths", OK_HEAD "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 0,
    CONTROL_ERROR_PROTOCOL, "*two lengths*" },
  { "chunks", OK_HEAD "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 0,
    CONTROL_ERROR_PROTOCOL, "*transfer encoding*" },
  { "a body without an end", OK_HEAD "\r\n{                                                  ", 0,
    CONTROL_ERROR_PROTOCOL, "*larger than 16 MiB*", 400000 },
  { "no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, CONTROL_ERROR_PROTOCOL,
    "*not gildd*" },
  { "no JSON", OK_HEAD "\r\n<html>hello</html>", 0, CONTROL_ERROR_PROTOCOL, "*not gildd*" },
  { "no object", OK_HEAD "\r\n[1, 2]", 0, CONTROL_ERROR_PROTOCOL, "*not gildd*" },
  { "no UTF-8", OK_HEAD "\r\n{\"a\":\"\xff\"}", 0, CONTROL_ERROR_PROTOCOL, "*not gildd*" },
  { "deep JSON", OK_HEAD "\r\n{\"a\":" NEST8 NEST8 NEST8, 0, CONTROL_ERROR_PROTOCOL,
    "*not gildd*" },
  { "deep JSON behind a comment", OK_HEAD "\r\n{\"a\":/*\"*/" NEST8 NEST8 NEST8, 0,
    CONTROL_ERROR_PROTOCOL, "*not a JSON object*" },
  { "a refusal without a reason", "HTTP/1.1 500 X\r\n\r\n{}", 0, CONTROL_ERROR_PROTOCOL,
    "*says 500 and no reason*" },
  { "a refusal whose reason is a number", "HTTP/1.1 404 X\r\n\r\n{\"error\": 7}", 0,
    CONTROL_ERROR_PROTOCOL, "*says 404 and no reason*" },
  { "a refusal whose reason is empty", "HTTP/1.1 404 X\r\n\r\n{\"error\": \"\"}", 0,
    CONTROL_ERROR_PROTOCOL, "*says 404 and no reason*" },
  { "another place", "HTTP/1.1 302 X\r\nLocation: http://x/\r\n\r\n{}", 0, CONTROL_ERROR_PROTOCOL,
    "*says 302 and no reason*" },
  { "a refusal", "HTTP/1.0 400\r\n\r\n{\"error\": \"no, since it is late\"}", 0,
    CONTROL_ERROR_REFUSED, "no, since it is late" },
  { "a refusal that plays with the terminal",
    "HTTP/1.1 400 X\r\n\r\n{\"error\": \"a\\u001b[2Jb\\nc\\u009bd\"}", 0, CONTROL_ERROR_REFUSED,
    "a [2Jb c d" },
};

static void
test_bad_answer (gconstpointer data)
{
  const BadAnswer *bad = data;
  g_autoptr (GError) error = NULL;
  FakeServer server = { .bytes = bad->bytes,
                        .size = bad->size ? bad->size : strlen (bad->bytes),
                        .repeat = bad->repeat,
                        .silent = bad->silent };

  fake_server_start (&server);
  JsonNode *answer =
      control_call (server.path, "GET", "/status", NULL, bad->silent ? 1 : TIMEOUT, &error);
  g_assert_null (answer);
  g_assert_error (error, CONTROL_ERROR, (int)bad->code);
  if (!g_pattern_match_simple (bad->sentence, error->message))
    g_test_message ("got: %s", error->message);
  g_assert_true (g_pattern_match_simple (bad->sentence, error->message));
  fake_server_stop (&server);
}

/* A server that sends a byte now and then must not hold the client for longer than the timeout.  */
static void
test_trickle (void)
{
  g_autoptr (GError) error = NULL;
  FakeServer server = { .bytes = OK_HEAD "\r\n{}", .size = 20, .piece = 1, .pause = 100000 };

  fake_server_start (&server);
  g_assert_null (control_call (server.path, "GET", "/status", NULL, 1, &error));
  g_assert_error (error, CONTROL_ERROR, CONTROL_ERROR_UNREACHABLE);
  fake_server_stop (&server);
}

static void
assert_good (FakeServer *server, JsonNode *body)
{
  g_autoptr (GError) error = NULL;

  fake_server_start (server);
  g_autoptr (JsonNode) answer = control_call (server->path, "POST", "/x", body, TIMEOUT, &error);
  g_assert_no_error (error);
  g_assert_cmpint (json_object_get_int_member (json_node_get_object (answer), "a"), ==, 7);
}

static void
test_good_answers (void)
{
  static const char *const ANSWERS[] = {
    OK_HEAD "Content-Length: 8\r\n\r\n{\"a\": 7}",
    OK_HEAD "content-length:8\r\nConnection: close\r\n\r\n{\"a\": 7}",
    OK_HEAD "\r\n{\"a\": 7}",
    "HTTP/1.0 201\r\n\r\n{\"a\": 7}",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (ANSWERS); i++)
    for (gsize piece = 0; piece < 3; piece++)
      {
        FakeServer server = {
          .bytes = ANSWERS[i], .size = strlen (ANSWERS[i]), .piece = piece, .deaf = piece == 2
        };
        assert_good (&server, NULL);
        fake_server_stop (&server);
      }
}

static void
test_request (void)
{
  static const char ANSWER[] = OK_HEAD "Content-Length: 7\r\n\r\n{\"a\":7}";
  g_autoptr (JsonNode) body = json_from_string ("{\"b\":1}", NULL);
  FakeServer server = { .bytes = ANSWER, .size = strlen (ANSWER), .silent = TRUE };

  assert_good (&server, body);
  g_assert_cmpstr (server.request->str, ==,
                   "POST /x HTTP/1.1\r\nHost: gildd\r\nConnection: close\r\n"
                   "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"b\":1}");
  fake_server_stop (&server);
}

static void
assert_unreachable (const char *path, const char *sentence)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (control_call (path, "GET", "/status", NULL, 1, &error));
  g_assert_error (error, CONTROL_ERROR, CONTROL_ERROR_UNREACHABLE);
  if (!g_pattern_match_simple (sentence, error->message))
    g_test_message ("got: %s", error->message);
  g_assert_true (g_pattern_match_simple (sentence, error->message));
}

static void
test_unreachable (void)
{
  g_autofree char *directory = g_dir_make_tmp ("gild-control-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "sock", NULL);
  g_autofree char *long_path = g_strnfill (300, 'x');
  int clients[4];

  assert_unreachable (long_path, "*File name too long*");
  assert_unreachable (path,
                      "*does not answer at *sock (No such file*): start it with *gild-services*");
  int fd = bind_socket (path);
  assert_unreachable (path, "*does not answer at *sock (Connection refused): start it with *");

  // More clients wait than the backlog takes, and nobody accepts.
  g_assert_cmpint (listen (fd, 0), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      struct sockaddr_un address = { .sun_family = AF_UNIX };
      g_strlcpy (address.sun_path, path, sizeof address.sun_path);
      clients[i] = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      (void)!connect (clients[i], (struct sockaddr *)&address, sizeof address);
    }
  assert_unreachable (path, "*took too long*");
  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
  close (fd);

  if (getuid () != 0 && g_chmod (path, 0) == 0)
    assert_unreachable (path, "*you may not talk to gildd*");
  g_unlink (path);
  g_rmdir (directory);
}

static JsonObject *
echo (gpointer data, const char *name, JsonObject *body, GError **error)
{
  if (body && json_object_has_member (body, "fail"))
    {
      fail_code (error, (GIOErrorEnum)json_object_get_int_member (body, "fail"), "it failed");
      return NULL;
    }
  JsonObject *answer = json_object_new ();
  json_object_set_string_member (answer, "name", name ? name : "");
  json_object_set_string_member (answer, "data", data);
  if (body)
    json_object_set_object_member (answer, "body", json_object_ref (body));
  return answer;
}

static gpointer
send_later (gpointer data)
{
  JsonObject *answer = json_object_new ();

  g_usleep (20000);
  json_object_set_string_member (answer, "late", "yes");
  control_reply_send (data, answer, NULL);
  return NULL;
}

/* Name "at-once" is refused before this returns, "never" is left for who frees the server.  */
static void
echo_later (gpointer data, const char *name, JsonObject *body, ControlReply *reply)
{
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no %s", name);

  if (g_str_equal (name, "at-once"))
    control_reply_send (reply, NULL, error);
  else if (g_str_equal (name, "never"))
    *(ControlReply **)data = reply;
  else
    g_thread_unref (g_thread_new ("late", send_later, reply));
}

static const ControlRoute LATER_ROUTES[] = {
  { "GET", "/a", echo },
  { "POST", "/later/*", NULL, echo_later },
  { NULL },
};

static const ControlRoute ROUTES[] = {
  { "GET", "/a", echo },
  { "POST", "/a/*/b", echo },
  { "DELETE", "/a/*", echo },
  { "POST", "/b/*/*/c/*", echo },
  { NULL },
};

typedef struct
{
  const char *path; // of the socket
  const char *method, *url, *body;
  char *answer;
  GMainLoop *loop;
} Call;

static gpointer
call_server (gpointer data)
{
  Call *call = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) body = call->body ? json_from_string (call->body, NULL) : NULL;
  g_autoptr (JsonNode) answer =
      control_call (call->path, call->method, call->url, body, TIMEOUT, &error);

  g_atomic_pointer_set (&call->answer,
                        answer ? json_to_string (answer, FALSE) : g_strdup (error->message));
  g_main_loop_quit (call->loop);
  g_main_context_wakeup (NULL);
  return NULL;
}

static void
test_server (void)
{
  static const struct
  {
    const char *method, *url, *body, *answer;
  } CALLS[] = {
    { "GET", "/b", NULL, "there is no /b: *" },
    { "GET", "/a/", NULL, "/a/ is not for GET, but for DELETE" },
    { "GET", "/a/x/b/", NULL, "there is no /a/x/b/: *" },
    { "PUT", "/a", NULL, "/a is not for PUT, but for GET" },
    { "GET", "/a/x/b", NULL, "/a/x/b is not for GET, but for POST" },
    { "POST", "/b/x/c/y", NULL, "there is no /b/x/c/y: *" },
    { "POST", "/b/x/y/d/z", NULL, "there is no /b/x/y/d/z: *" },
    { "GET", "/a", "[1]", "*not a JSON object*" },
    { "GET", "/a", "{\"fail\":0}", "it failed" },
    { "GET", "/a", NULL, "{\"name\":\"\",\"data\":\"d\"}" },
    { "DELETE", "/a/x%2Fy", NULL, "{\"name\":\"x%2Fy\",\"data\":\"d\"}" },
    { "POST", "/b/x/y/c/7", NULL, "{\"name\":\"x/y/7\",\"data\":\"d\"}" },
    { "POST", "/b///c/", NULL, "{\"name\":\"//\",\"data\":\"d\"}" },
    { "POST", "/a/x/b?q=1", "{\"c\":[1,2]}",
      "{\"name\":\"x\",\"data\":\"d\",\"body\":{\"c\":[1,2]}}" },
  };
  g_autofree char *directory = g_dir_make_tmp ("gild-control-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "sock", NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  char data[] = "d";
  ControlServer *server = control_server_new (path, ROUTES, data, NULL, &error);

  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (CALLS); i++)
    {
      Call call = { path, CALLS[i].method, CALLS[i].url, CALLS[i].body, NULL, loop };
      GThread *thread = g_thread_new ("client", call_server, &call);
      g_main_loop_run (loop);
      g_thread_join (thread);
      if (!g_pattern_match_simple (CALLS[i].answer, call.answer))
        g_test_message ("%s %s: %s", CALLS[i].method, CALLS[i].url, call.answer);
      g_assert_true (g_pattern_match_simple (CALLS[i].answer, call.answer));
      g_free (call.answer);
    }
  control_server_free (server);
  g_assert_cmpint (g_rmdir (directory), ==, 0); // the socket is gone
}

/* Many at a time, and others are answered meanwhile.  */
static void
test_later (void)
{
  static const char *const ANSWERS[] = { "{\"late\":\"yes\"}", "there is no at-once",
                                         "*is not for POST*" };
  static const char *const URLS[] = { "/later/x", "/later/at-once", "/a" };
  enum
  {
    N = 60
  };
  g_autofree char *directory = g_dir_make_tmp ("gild-control-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "sock", NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  ControlServer *server = control_server_new (path, LATER_ROUTES, NULL, NULL, NULL);
  GThread *threads[N];
  Call calls[N];

  g_assert_nonnull (server);
  for (gsize i = 0; i < N; i++)
    {
      calls[i] = (Call){ path, "POST", URLS[i % 3], "{}", NULL, loop };
      threads[i] = g_thread_new ("client", call_server, &calls[i]);
    }
  for (gsize i = 0; i < N; i++)
    while (!g_atomic_pointer_get (&calls[i].answer))
      g_main_context_iteration (NULL, TRUE);
  for (gsize i = 0; i < N; i++)
    {
      g_thread_join (threads[i]);
      if (!g_pattern_match_simple (ANSWERS[i % 3], calls[i].answer))
        g_test_message ("%s: %s", calls[i].url, calls[i].answer);
      g_assert_true (g_pattern_match_simple (ANSWERS[i % 3], calls[i].answer));
      g_free (calls[i].answer);
    }
  control_server_free (server);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

/* The server goes while somebody waits, and the answer comes after that.  */
static void
test_never (void)
{
  g_autofree char *directory = g_dir_make_tmp ("gild-control-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "sock", NULL);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  ControlReply *reply = NULL;
  ControlServer *server = control_server_new (path, LATER_ROUTES, &reply, context, NULL);
  Call call = { path, "POST", "/later/never", "{}", NULL, loop };

  g_assert_nonnull (server);
  GThread *thread = g_thread_new ("client", call_server, &call);
  while (!reply)
    g_main_context_iteration (context, TRUE);
  control_server_free (server);
  g_thread_join (thread);
  g_assert_true (g_pattern_match_simple ("*does not answer*", call.answer));
  g_free (call.answer);
  control_reply_send (reply, json_object_new (), NULL);
  while (g_main_context_iteration (context, FALSE))
    ;
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (BAD_ANSWERS); i++)
    {
      g_autofree char *name = g_strdup_printf ("/control/bad/%s", BAD_ANSWERS[i].name);
      g_test_add_data_func (name, &BAD_ANSWERS[i], test_bad_answer);
    }
  g_test_add_func ("/control/trickle", test_trickle);
  g_test_add_func ("/control/unreachable", test_unreachable);
  g_test_add_func ("/control/good-answers", test_good_answers);
  g_test_add_func ("/control/request", test_request);
  g_test_add_func ("/control/server", test_server);
  g_test_add_func ("/control/later", test_later);
  g_test_add_func ("/control/never", test_never);
  return g_test_run ();
}
