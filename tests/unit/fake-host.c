// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts that answer as no host should, and one that does.

#include "fake-host.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zstd.h>

#include "network/chunk-stream.h"
#include "qcow-backing/gnutls-handles.h"

struct FakeHost
{
  int fd;     // where there is no HTTP
  int filler; // with FAKE_FULL: all that the queue of fd has room for
  guint port;
  FakeBehaviour behaviour; // atomic
  gboolean is_ending;      // atomic
  GHashTable *chunks;      // ChunkId *, owned -> the frame, GBytes *
  char *certificate, *key;
  struct MHD_Daemon *http;
  GMutex lock; // guards what follows
  FakeCounts counts;
};

/* One answer.  */
typedef struct
{
  FakeHost *host;
  FakeBehaviour behaviour;
  GByteArray *request;
  GByteArray *body;
  gsize sent;
} Answer;

ChunkId
fake_chunk (guint number, guint8 data[CHUNK_SIZE])
{
  guint32 state = number * 2654435761u + 1;

  for (gsize i = 0; i < CHUNK_SIZE; i++)
    {
      state = state * 1664525u + 1013904223u;
      data[i] = i % 8 == 0 ? (guint8)(state >> 24) : (guint8)(number >> (i % 4));
    }
  return chunk_id_of (data, CHUNK_SIZE);
}

static void
add_record (GByteArray *body, const ChunkId *id, const void *bytes, gsize size, gsize announced)
{
  guint8 head[CHUNK_STREAM_HEAD_SIZE];

  chunk_stream_write_head (id, (guint32)announced, head);
  g_byte_array_append (body, head, sizeof head);
  if (size > 0)
    g_byte_array_append (body, bytes, (guint)size);
}

static void
add_bomb (GByteArray *body, const ChunkId *id)
{
  g_autofree guint8 *zeros = g_malloc0 (64u << 20);
  guint8 frame[8192];
  gsize size = ZSTD_compress (frame, sizeof frame, zeros, 64u << 20, 1);

  g_assert_false (ZSTD_isError (size));
  add_record (body, id, frame, size, size);
}

static void
add_chunk (Answer *answer, const ChunkId *id)
{
  GBytes *bytes = g_hash_table_lookup (answer->host->chunks, id);
  gsize size = 0;
  const guint8 *frame = bytes ? g_bytes_get_data (bytes, &size) : NULL;
  guint8 other[CHUNK_SIZE], other_frame[CHUNK_FRAME_SIZE_MAX];
  gsize other_size;
  ChunkId other_id = fake_chunk (100000, other);

  g_assert_true (chunk_frame_encode (other, CHUNK_SIZE, other_frame, &other_size, NULL));
  switch (answer->behaviour)
    {
    case FAKE_WRONG_BYTES:
      add_record (answer->body, id, other_frame, other_size, other_size);
      return;
    case FAKE_BOMB:
      add_bomb (answer->body, id);
      return;
    case FAKE_GARBAGE:
      add_record (answer->body, id, other, 5000, 5000);
      return;
    case FAKE_WRONG_LENGTH:
      add_record (answer->body, id, frame, size, CHUNK_FRAME_SIZE_MAX + 1);
      return;
    case FAKE_SHORT_LENGTH:
      add_record (answer->body, id, frame, size, size - 1);
      return;
    case FAKE_OTHER_CHUNKS:
      add_record (answer->body, &other_id, other_frame, other_size, other_size);
      return;
    case FAKE_HAS_NOTHING:
      add_record (answer->body, id, NULL, 0, 0);
      return;
    case FAKE_TWICE:
      add_record (answer->body, id, frame, size, size);
      break;
    default:
      break;
    }
  add_record (answer->body, id, frame, size, size);
}

static gssize
read_answer (void *data, guint64 position, char *buffer, gsize max)
{
  Answer *answer = data;
  gsize size = answer->body->len, n = MIN (max, size - MIN (size, answer->sent));

  if (answer->behaviour == FAKE_TRICKLE)
    {
      n = MIN (n, 1);
      g_usleep (50000);
    }
  if (answer->behaviour == FAKE_CUT || answer->behaviour == FAKE_SILENT_IN_RECORD)
    n = MIN (n, size / 2 - MIN (size / 2, answer->sent));
  if (n == 0 && answer->behaviour == FAKE_OTHER_CHUNKS)
    answer->sent = 0;
  while (n == 0 && answer->behaviour == FAKE_SILENT_IN_RECORD
         && !g_atomic_int_get (&answer->host->is_ending))
    g_usleep (10000);
  if (n == 0 && answer->behaviour != FAKE_OTHER_CHUNKS)
    return MHD_CONTENT_READER_END_OF_STREAM;
  memcpy (buffer, answer->body->data + answer->sent, n);
  answer->sent += n;
  return (gssize)n;
}

static void
count_want (FakeHost *host, const ChunkWant *want)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host->lock);

  host->counts.requests++;
  host->counts.chunks += want->n_chunks;
  host->counts.forwarded += want->forward ? want->n_chunks : 0;
}

static enum MHD_Result
respond (Answer *answer, struct MHD_Connection *connection)
{
  static const guint STATUSES[] = { [FAKE_ERROR] = 500, [FAKE_REDIRECT] = 302, [FAKE_GONE] = 0 };
  g_autofree ChunkWant *want = g_new (ChunkWant, 1);

  g_assert_true (
      chunk_want_from_json ((const char *)answer->request->data, answer->request->len, want, NULL));
  count_want (answer->host, want);
  while (answer->behaviour == FAKE_SILENT && !g_atomic_int_get (&answer->host->is_ending))
    g_usleep (10000);
  for (guint i = 0; i < want->n_chunks; i++)
    add_chunk (answer, &want->chunks[i]);
  struct MHD_Response *response =
      MHD_create_response_from_callback (MHD_SIZE_UNKNOWN, 65536, read_answer, answer, NULL);
  MHD_add_response_header (response, "Content-Type",
                           answer->behaviour == FAKE_NO_CHUNKS ? "text/html" : CHUNK_STREAM_TYPE);
  MHD_add_response_header (response, "Location", "/store");
  guint status = STATUSES[answer->behaviour];
  enum MHD_Result result = MHD_queue_response (connection, status ? status : 200, response);
  MHD_destroy_response (response);
  return result;
}

static enum MHD_Result
on_request (void *data, struct MHD_Connection *connection, const char *path, const char *method,
            const char *version, const char *piece, size_t *size, void **state)
{
  FakeHost *host = data;
  Answer *answer = *state;

  if (!answer)
    {
      *state = answer = g_new0 (Answer, 1);
      answer->host = host;
      answer->behaviour = (FakeBehaviour)g_atomic_int_get (&host->behaviour);
      answer->request = g_byte_array_new ();
      answer->body = g_byte_array_new ();
      return MHD_YES;
    }
  if (*size == 0)
    return respond (answer, connection);
  g_byte_array_append (answer->request, (const guint8 *)piece, (guint)*size);
  *size = 0;
  return MHD_YES;
}

static void
on_end (void *data, struct MHD_Connection *connection, void **state,
        enum MHD_RequestTerminationCode code)
{
  g_autofree Answer *answer = *state;

  if (!answer)
    return;
  g_byte_array_unref (answer->request);
  g_byte_array_unref (answer->body);
}

static int
listen_anywhere (guint *port, FakeBehaviour behaviour, int *filler)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, size), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *)&address, &size), ==, 0);
  g_assert_true (behaviour == FAKE_GONE || listen (fd, behaviour == FAKE_FULL ? 0 : 64) == 0);
  *filler = behaviour == FAKE_FULL ? socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
  g_assert_true (*filler < 0 || connect (*filler, (struct sockaddr *)&address, size) == 0);
  *port = ntohs (address.sin_port);
  return fd;
}

static void
make_certificate (FakeHost *host, const CertificateAuthority *authority, const char *name)
{
  g_autofree char *request = NULL;

  g_assert_true (host_certificate_request (name, &host->key, &request, NULL));
  g_auto (gnutls_x509_crt_t) certificate =
      host_certificate_issue (authority, name, request, "key", NULL);
  g_assert_nonnull (certificate);
  host->certificate = certificate_to_pem (certificate, NULL);
}

static void
start_http (FakeHost *host)
{
  host->http = MHD_start_daemon (
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_TLS, 0, NULL, NULL,
      on_request, host, MHD_OPTION_LISTEN_SOCKET, host->fd, MHD_OPTION_HTTPS_MEM_KEY, host->key,
      MHD_OPTION_HTTPS_MEM_CERT, host->certificate, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
      MHD_OPTION_END);
  g_assert_nonnull (host->http);
  host->fd = -1;
}

FakeHost *
fake_host_new (const CertificateAuthority *authority, const char *name, FakeBehaviour behaviour,
               guint count)
{
  FakeHost *host = g_new0 (FakeHost, 1);
  guint8 data[CHUNK_SIZE], frame[CHUNK_FRAME_SIZE_MAX];
  gsize size;

  g_mutex_init (&host->lock);
  host->behaviour = behaviour;
  host->chunks =
      g_hash_table_new_full (chunk_id_hash, chunk_id_equal, g_free, (GDestroyNotify)g_bytes_unref);
  for (guint i = 0; i < count; i++)
    {
      ChunkId id = fake_chunk (i, data);
      g_assert_true (chunk_frame_encode (data, CHUNK_SIZE, frame, &size, NULL));
      g_hash_table_insert (host->chunks, g_memdup2 (&id, sizeof id), g_bytes_new (frame, size));
    }
  make_certificate (host, authority, name);
  host->fd = listen_anywhere (&host->port, behaviour, &host->filler);
  if (behaviour < FAKE_DEAF)
    start_http (host);
  return host;
}

void
fake_host_free (FakeHost *host)
{
  if (!host)
    return;
  g_atomic_int_set (&host->is_ending, TRUE);
  g_clear_pointer (&host->http, MHD_stop_daemon);
  if (host->fd >= 0)
    close (host->fd);
  if (host->filler >= 0)
    close (host->filler);
  g_hash_table_unref (host->chunks);
  g_mutex_clear (&host->lock);
  g_free (host->certificate);
  g_free (host->key);
  g_free (host);
}

guint
fake_host_port (const FakeHost *host)
{
  return host->port;
}

const char *
fake_host_certificate (const FakeHost *host)
{
  return host->certificate;
}

FakeCounts
fake_host_counts (FakeHost *host)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host->lock);

  return host->counts;
}

void
fake_host_behave (FakeHost *host, FakeBehaviour behaviour)
{
  gboolean was_full = g_atomic_int_get (&host->behaviour) == FAKE_FULL;

  g_atomic_int_set (&host->behaviour, behaviour);
  if (!was_full)
    return;
  g_assert_cmpint (listen (host->fd, 64), ==, 0);
  start_http (host);
}
