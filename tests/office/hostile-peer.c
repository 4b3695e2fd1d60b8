// SPDX-License-Identifier: GPL-2.0-or-later
// A host of the site that does not keep to what hosts promise each other.
//
//   hostile-peer MODE PORT CERTIFICATE KEY
//
// Answers whatever it is asked, over TLS, as MODES has it, and prints a line "METHOD PATH CHUNKS"
// for each request. Ends when it is killed.

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gio/gio.h>
#include <gnutls/gnutls.h>
#include <zstd.h>

#include "network/chunk-stream.h"

#define REQUEST_SIZE_MAX (1u << 20)
#define BOMB_SIZE        (256u << 20)

static const char OK_HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: " CHUNK_STREAM_TYPE "\r\nConnection: close\r\n\r\n";

typedef struct
{
  gnutls_session_t session;
  gboolean is_broken;
  ChunkWant want; // nothing is wanted by what is no POST /store
} Peer;

typedef void (*AnswerFunc) (Peer *peer);

static _Noreturn void
die (const char *what, const char *why)
{
  fprintf (stderr, "hostile-peer: %s: %s\n", what, why);
  exit (EXIT_FAILURE);
}

static void
check (const char *what, int status)
{
  if (status < 0)
    die (what, gnutls_strerror (status));
}

static void
send_bytes (Peer *peer, const void *bytes, gsize size)
{
  const guint8 *next = bytes;

  while (size > 0 && !peer->is_broken)
    {
      gssize sent = gnutls_record_send (peer->session, next, size);
      if (sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED)
        continue;
      peer->is_broken = sent <= 0;
      next += MAX (sent, 0);
      size -= (gsize)MAX (sent, 0);
    }
}

static void
send_text (Peer *peer, const char *text)
{
  send_bytes (peer, text, strlen (text));
}

static void
send_record (Peer *peer, const ChunkId *id, const void *frame, guint32 size)
{
  guint8 head[CHUNK_STREAM_HEAD_SIZE];

  chunk_stream_write_head (id, size, head);
  send_bytes (peer, head, sizeof head);
  send_bytes (peer, frame, size);
}

/* A frame of SIZE zeros but for the first, owned by the caller.  */
static guint8 *
make_frame (gsize size, gsize *frame_size)
{
  g_autofree guint8 *data = g_malloc0 (size);
  guint8 *frame = g_malloc (ZSTD_compressBound (size));

  data[0] = 1;
  *frame_size = ZSTD_compress (frame, ZSTD_compressBound (size), data, size, 1);
  return frame;
}

static void
answer_frames (Peer *peer, gsize size)
{
  gsize frame_size;
  g_autofree guint8 *frame = make_frame (size, &frame_size);

  send_text (peer, OK_HEAD);
  for (guint i = 0; i < peer->want.n_chunks; i++)
    send_record (peer, &peer->want.chunks[i], frame, (guint32)frame_size);
}

/* A good frame of other data.  */
static void
answer_wrong_bytes (Peer *peer)
{
  answer_frames (peer, CHUNK_SIZE);
}

/* A frame as long as a chunk's may be, of 256 MiB.  */
static void
answer_bomb (Peer *peer)
{
  answer_frames (peer, BOMB_SIZE);
}

static void
answer_endless (Peer *peer)
{
  gsize frame_size;
  g_autofree guint8 *frame = make_frame (CHUNK_SIZE, &frame_size);
  ChunkId id = { 0 };

  send_text (peer, OK_HEAD);
  for (guint32 i = 0; !peer->is_broken; i++)
    {
      memcpy (&id, &i, sizeof i);
      send_record (peer, &id, frame, (guint32)frame_size);
    }
}

static void
answer_endless_head (Peer *peer)
{
  send_text (peer, "HTTP/1.1 200 OK\r\n");
  while (!peer->is_broken)
    send_text (peer, "X-More: and more and more and more and more and more\r\n");
}

static void
answer_slowly (Peer *peer)
{
  guint8 head[CHUNK_STREAM_HEAD_SIZE];

  send_text (peer, OK_HEAD);
  chunk_stream_write_head (&peer->want.chunks[0], 1000, head);
  for (guint i = 0; !peer->is_broken; i++)
    {
      send_bytes (peer, &head[i % sizeof head], 1);
      g_usleep (G_USEC_PER_SEC);
    }
}

/* A chunk of 4 GiB.  */
static void
answer_too_long (Peer *peer)
{
  guint8 head[CHUNK_STREAM_HEAD_SIZE];

  send_text (peer, OK_HEAD);
  chunk_stream_write_head (&peer->want.chunks[0], 0xfffffff0, head);
  send_bytes (peer, head, sizeof head);
  while (!peer->is_broken)
    send_bytes (peer, head, sizeof head);
}

/* Its head promises more than it sends.  */
static void
answer_too_short (Peer *peer)
{
  guint8 head[CHUNK_STREAM_HEAD_SIZE];

  send_text (peer, "HTTP/1.1 200 OK\r\nContent-Type: " CHUNK_STREAM_TYPE
                   "\r\nContent-Length: 100000\r\n\r\n");
  chunk_stream_write_head (&peer->want.chunks[0], 1000, head);
  send_bytes (peer, head, sizeof head);
}

static void
answer_redirect (Peer *peer)
{
  send_text (
      peer, "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://elsewhere.gild.internal/store\r\n"
            "Content-Length: 0\r\n\r\n");
}

static void
answer_never (Peer *peer)
{
  while (!peer->is_broken)
    g_usleep (G_USEC_PER_SEC);
}

/* Always about to answer.  */
static void
answer_waiting (Peer *peer)
{
  send_text (peer, OK_HEAD);
  while (!peer->is_broken)
    {
      guint8 head[CHUNK_STREAM_HEAD_SIZE];
      chunk_stream_write_head (NULL, 0, head);
      send_bytes (peer, head, sizeof head);
      g_usleep (CHUNK_STREAM_WAITING_MSEC * 1000);
    }
}

/* What it said that it has, it has not.  */
static void
answer_none (Peer *peer)
{
  send_text (peer, OK_HEAD);
  for (guint i = 0; i < peer->want.n_chunks; i++)
    send_record (peer, &peer->want.chunks[i], "", 0);
}

static void
answer_garbage (Peer *peer)
{
  guint8 garbage[4096];

  for (gsize i = 0; i < sizeof garbage; i++)
    garbage[i] = (guint8)g_random_int ();
  send_bytes (peer, garbage, sizeof garbage);
}

static const struct
{
  const char *name;
  AnswerFunc answer;
} MODES[] = {
  { "wrong-bytes", answer_wrong_bytes },
  { "bomb", answer_bomb },
  { "endless", answer_endless },
  { "endless-head", answer_endless_head },
  { "slow", answer_slowly },
  { "too-long", answer_too_long },
  { "too-short", answer_too_short },
  { "redirect", answer_redirect },
  { "never", answer_never },
  { "waiting", answer_waiting },
  { "none", answer_none },
  { "garbage", answer_garbage },
};

/* The head of the next request, and its body behind it; NULL when the other end has gone.  */
static char *
read_request (Peer *peer)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gsize wanted = G_MAXSIZE;

  while (text->len < wanted && text->len < REQUEST_SIZE_MAX)
    {
      char buffer[16384];
      gssize got = gnutls_record_recv (peer->session, buffer, sizeof buffer);
      if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED)
        continue;
      if (got <= 0)
        return NULL;
      g_string_append_len (text, buffer, got);
      const char *end = strstr (text->str, "\r\n\r\n");
      if (end && wanted == G_MAXSIZE)
        {
          g_autofree char *lower = g_ascii_strdown (text->str, end - text->str);
          const char *length = strstr (lower, "content-length:");
          wanted =
              (gsize)(end + 4 - text->str)
              + (length ? g_ascii_strtoull (length + strlen ("content-length:"), NULL, 10) : 0);
        }
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* What REQUEST wants is then in PEER.  */
static void
take_request (Peer *peer, const char *request)
{
  const char *body = strstr (request, "\r\n\r\n") + 4;

  memset (&peer->want, 0, sizeof peer->want);
  if (!chunk_want_from_json (body, strlen (body), &peer->want, NULL))
    memset (&peer->want, 0, sizeof peer->want);
  g_print ("%.*s %u\n", (int)strcspn (request, "\r\n"), request, peer->want.n_chunks);
}

typedef struct
{
  gnutls_certificate_credentials_t credentials;
  AnswerFunc answer;
  int fd;
} Connection;

static gpointer
serve (gpointer data)
{
  g_autofree Connection *connection = data;
  Peer *peer = g_new0 (Peer, 1);
  char *request;
  int status;

  check ("gnutls_init", gnutls_init (&peer->session, GNUTLS_SERVER));
  check ("gnutls_set_default_priority", gnutls_set_default_priority (peer->session));
  check ("gnutls_credentials_set",
         gnutls_credentials_set (peer->session, GNUTLS_CRD_CERTIFICATE, connection->credentials));
  gnutls_certificate_server_set_request (peer->session, GNUTLS_CERT_REQUEST);
  gnutls_transport_set_int (peer->session, connection->fd);
  do
    status = gnutls_handshake (peer->session);
  while (status < 0 && !gnutls_error_is_fatal (status));
  while (status == 0 && !peer->is_broken && (request = read_request (peer)))
    {
      take_request (peer, request);
      g_free (request);
      connection->answer (peer);
      // Each answer but a redirect ends with the connection.
      if (connection->answer != answer_redirect)
        break;
    }
  gnutls_deinit (peer->session);
  close (connection->fd);
  g_free (peer);
  return NULL;
}

static int
listen_at (const char *port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons ((guint16)atoi (port)) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind (fd, (struct sockaddr *)&address, sizeof address) < 0 || listen (fd, 64) < 0)
    die (port, g_strerror (errno));
  return fd;
}

static AnswerFunc
find_mode (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (MODES); i++)
    if (g_str_equal (MODES[i].name, name))
      return MODES[i].answer;
  die (name, "there is no such mode");
}

int
main (int argc, char **argv)
{
  gnutls_certificate_credentials_t credentials;

  if (argc != 5)
    {
      fprintf (stderr, "usage: hostile-peer MODE PORT CERTIFICATE KEY\n");
      return 2;
    }
  signal (SIGPIPE, SIG_IGN);
  setvbuf (stdout, NULL, _IOLBF, 0);
  AnswerFunc answer = find_mode (argv[1]);
  check ("credentials", gnutls_certificate_allocate_credentials (&credentials));
  check (argv[3],
         gnutls_certificate_set_x509_key_file (credentials, argv[3], argv[4], GNUTLS_X509_FMT_PEM));
  int listening = listen_at (argv[2]);
  for (;;)
    {
      int fd = accept4 (listening, NULL, NULL, SOCK_CLOEXEC);
      if (fd < 0)
        continue;
      Connection connection = { credentials, answer, fd };
      g_thread_unref (
          g_thread_new ("connection", serve, g_memdup2 (&connection, sizeof connection)));
    }
}
