// SPDX-License-Identifier: GPL-2.0-or-later
// The site's server, over real connections: who is let in, what is answered, and that nothing is
// without a bound.

#include <arpa/inet.h>
#include <curl/curl.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "network/chunk-stream.h"
#include "network/revocation.h"
#include "network/site-server.h"
#include "qcow-backing/chunk-store.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/privilege.h"
#include "qcow-backing/site.h"
#include "tests/unit/remove-tree.h"

#define SITE_KEY "the text of site.pub"

/* A publisher, pc1, whose server is asked by pc2.  */
typedef struct
{
  char *directory, *site;
  Config *config;
  HostIdentity *identity;
  SiteServerCalls calls;
  SiteServer *server;
  char *certificate_path, *key_path; // pc2's
  // What the calls saw, and what they do.
  GString *seen;
  GError *error;     // that they fail with
  gint64 fetch_usec; // that WANT takes; < 0: as long as nobody does on_chunk
  gboolean fetch_fails;
  int gives_up; // atomic: the client does
  GMutex lock;  // guards those below
  GPtrArray *fetches;
  guint n_wants;
} Fixture;

/* Chunk NUMBER, 1 to 255, of SIZE bytes that hardly compress; its id.  */
static ChunkId
make_chunk (guint number, guint8 chunk[CHUNK_SIZE])
{
  guint32 state = number;

  for (gsize i = 0; i < CHUNK_SIZE; i++)
    {
      state = state * 1664525 + 1013904223;
      chunk[i] = (guint8)(state >> 24);
    }
  return chunk_id_of (chunk, CHUNK_SIZE);
}

static ChunkId
add_chunk (Fixture *f, guint number)
{
  g_autofree guint8 *chunk = g_malloc (CHUNK_SIZE), *frame = g_malloc (CHUNK_FRAME_SIZE_MAX);
  ChunkId id = make_chunk (number, chunk);
  char file[CHUNK_FILE_SIZE];
  gsize size;

  g_assert_true (chunk_frame_encode (chunk, CHUNK_SIZE, frame, &size, NULL));
  chunk_store_file (&id, file);
  g_autofree char *path = config_state_path (f->config, "store.castr", file, NULL);
  g_autofree char *prefix = g_path_get_dirname (path);
  g_mkdir_with_parents (prefix, 0755);
  g_assert_true (g_file_set_contents (path, (char *)frame, (gssize)size, NULL));
  return id;
}

typedef struct
{
  Fixture *f;
  ChunkId id;
  ChunkFetchedFunc done;
  gpointer data;
} Fetch;

static gpointer
run_fetch (gpointer data)
{
  Fetch *fetch = data;
  g_autoptr (GError) error = NULL;

  g_usleep ((gulong)fetch->f->fetch_usec);
  if (fetch->f->fetch_fails)
    g_set_error (&error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no origin has it");
  else
    add_chunk (fetch->f, 200);
  fetch->done (&fetch->id, error, fetch->data);
  g_free (fetch);
  return NULL;
}

static void
on_want (gpointer data, const ChunkId *id, gboolean ahead, ChunkFetchedFunc done,
         gpointer done_data)
{
  Fixture *f = data;
  Fetch *fetch = g_new (Fetch, 1);

  *fetch = (Fetch){ f, *id, done, done_data };
  g_mutex_lock (&f->lock);
  f->n_wants++;
  g_ptr_array_add (f->fetches, f->fetch_usec < 0
                                   ? (gpointer)fetch
                                   : (gpointer)g_thread_new ("fetch", run_fetch, fetch));
  g_mutex_unlock (&f->lock);
}

static JsonObject *
answer_as_told (Fixture *f, GError **error)
{
  if (f->error)
    {
      g_propagate_error (error, g_error_copy (f->error));
      return NULL;
    }
  JsonObject *answer = json_object_new ();
  json_object_set_string_member (answer, "said", "yes");
  return answer;
}

static JsonObject *
on_heartbeat (gpointer data, const char *host, const char *address, JsonObject *body,
              GError **error)
{
  Fixture *f = data;

  g_string_append_printf (f->seen, "heartbeat of %s at %s, port %d; ", host, address,
                          (int)json_object_get_int_member (body, "port"));
  return answer_as_told (f, error);
}

static JsonObject *
on_join (gpointer data, const char *address, JsonObject *body, GError **error)
{
  Fixture *f = data;

  g_string_append_printf (f->seen, "join from %s as %s; ", address,
                          json_object_get_string_member (body, "name"));
  return answer_as_told (f, error);
}

static gboolean
on_profile (gpointer data, const char *host, const char *image, guint version, JsonObject *body,
            GError **error)
{
  Fixture *f = data;

  g_string_append_printf (f->seen, "profile of %s@%u by %s; ", image, version, host);
  if (f->error)
    g_propagate_error (error, g_error_copy (f->error));
  return !f->error;
}

static gboolean
on_crl (gpointer data, const char *pem, gsize size, GError **error)
{
  Fixture *f = data;

  g_string_append_printf (f->seen, "list '%.*s'; ", (int)size, pem);
  if (f->error)
    g_propagate_error (error, g_error_copy (f->error));
  return !f->error;
}

static guint
free_port (void)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t size = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *)&address, &size), ==, 0);
  close (fd);
  return ntohs (address.sin_port);
}

/* Write a certificate for NAME of the CA in the site at SITE to DIRECTORY/NAME.pem and its key to
   NAME-key.pem.  */
static void
issue (const char *site, const char *directory, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CertificateAuthority) authority = host_identity_load_authority (site, &error);
  g_autofree char *key = NULL, *request = NULL;
  g_autofree char *path = g_strdup_printf ("%s/%s.pem", directory, name);
  g_autofree char *key_path = g_strdup_printf ("%s/%s-key.pem", directory, name);

  g_assert_no_error (error);
  g_assert_true (host_certificate_request (name, &key, &request, NULL));
  gnutls_x509_crt_t certificate =
      host_certificate_issue (authority, name, request, SITE_KEY, &error);
  g_assert_no_error (error);
  g_autofree char *pem = certificate_to_pem (certificate, NULL);
  gnutls_x509_crt_deinit (certificate);
  g_assert_true (g_file_set_contents (path, pem, -1, NULL));
  g_assert_true (g_file_set_contents (key_path, key, -1, NULL));
}

/* Found a site in DIRECTORY with the configuration MORE.  */
static Config *
found_site (const char *directory, const char *upload_limit)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *state = g_build_filename (directory, "state", NULL);

  g_key_file_set_value (file, "paths", "state", state);
  g_key_file_set_uint64 (file, "network", "port", free_port ());
  g_key_file_set_value (file, "network", "listen", "127.0.0.1");
  g_key_file_set_value (file, "network", "upload-limit", upload_limit);
  g_key_file_set_value (file, "department accounting", "hosts", "pc-a*;pc3");
  Config *config = config_from_key_file (file, "test", &error);
  g_assert_no_error (error);
  site_init (config, "test", host_identity_make, (gpointer) "pc1", &error);
  g_assert_no_error (error);
  return config;
}

static void
start (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  f->server = site_server_new (f->config, f->identity, &f->calls, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *f, gconstpointer upload_limit)
{
  g_autoptr (GError) error = NULL;

  f->directory = g_dir_make_tmp ("gild-site-server-XXXXXX", NULL);
  f->config = found_site (f->directory, upload_limit ? upload_limit : "0");
  f->site = config_state_path (f->config, "site", NULL);
  f->identity = host_identity_load (f->config, &error);
  g_assert_no_error (error);
  issue (f->site, f->directory, "pc2");
  f->certificate_path = g_build_filename (f->directory, "pc2.pem", NULL);
  f->key_path = g_build_filename (f->directory, "pc2-key.pem", NULL);
  f->calls = (SiteServerCalls){ f, on_want, on_heartbeat, on_join, on_profile, on_crl };
  f->seen = g_string_new (NULL);
  g_mutex_init (&f->lock);
  f->fetches = g_ptr_array_new ();
  start (f);
}

static void
tear_down (Fixture *f, gconstpointer upload_limit)
{
  site_server_free (f->server);
  for (guint i = 0; i < f->fetches->len && f->fetch_usec >= 0; i++)
    g_thread_join (f->fetches->pdata[i]);
  g_ptr_array_unref (f->fetches);
  g_clear_error (&f->error);
  g_string_free (f->seen, TRUE);
  g_mutex_clear (&f->lock);
  host_identity_free (f->identity);
  config_free (f->config);
  remove_tree (f->directory);
  g_free (f->directory);
  g_free (f->site);
  g_free (f->certificate_path);
  g_free (f->key_path);
}

/* What a request is answered; the body is the caller's.  */
typedef struct
{
  long status; // 0: not at all
  char *body;
  gsize size;
} Reply;

static void
reply_clear (Reply *reply)
{
  g_free (reply->body);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reply, reply_clear)

static size_t
take_bytes (char *bytes, size_t size, size_t count, void *body)
{
  g_byte_array_append (body, (guint8 *)bytes, (guint)(size * count));
  return size * count;
}

/* A client that shows the certificate at CERTIFICATE_PATH, none where that is NULL.  */
static CURL *
client_new (Fixture *f, const char *certificate_path, const char *key_path)
{
  CURL *curl = curl_easy_init ();

  curl_easy_setopt (curl, CURLOPT_CAINFO, f->identity->ca_path);
  curl_easy_setopt (curl, CURLOPT_SSLCERT, certificate_path);
  curl_easy_setopt (curl, CURLOPT_SSLKEY, certificate_path ? key_path : NULL);
  curl_easy_setopt (curl, CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt (curl, CURLOPT_TIMEOUT, 100L);
  curl_easy_setopt (curl, CURLOPT_NOSIGNAL, 1L);
  return curl;
}

static void
ask_with (Fixture *f, CURL *curl, const char *method, const char *path, const char *body,
          Reply *reply)
{
  g_autofree char *url = g_strdup_printf ("https://pc1.gild.internal:%u%s", f->config->port, path);
  g_autofree char *place =
      g_strdup_printf ("pc1.gild.internal:%u:127.0.0.1:%u", f->config->port, f->config->port);
  struct curl_slist *connect_to = curl_slist_append (NULL, place);
  struct curl_slist *headers = curl_slist_append (NULL, "Expect:");
  GByteArray *answer = g_byte_array_new ();

  curl_easy_setopt (curl, CURLOPT_URL, url);
  curl_easy_setopt (curl, CURLOPT_CONNECT_TO, connect_to);
  curl_easy_setopt (curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt (curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt (curl, CURLOPT_HTTPGET, 1L);
  if (body)
    curl_easy_setopt (curl, CURLOPT_POSTFIELDS, body);
  curl_easy_setopt (curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt (curl, CURLOPT_NOBODY, g_str_equal (method, "HEAD") ? 1L : 0L);
  curl_easy_setopt (curl, CURLOPT_WRITEDATA, answer);
  CURLcode code = curl_easy_perform (curl);
  reply->status = 0;
  if (code == CURLE_OK)
    curl_easy_getinfo (curl, CURLINFO_RESPONSE_CODE, &reply->status);
  else
    g_test_message ("%s %s: %s", method, path, curl_easy_strerror (code));
  reply->size = answer->len;
  g_byte_array_append (answer, (const guint8 *)"", 1);
  reply->body = (char *)g_byte_array_free (answer, FALSE);
  curl_slist_free_all (connect_to);
  curl_slist_free_all (headers);
}

/* Ask as pc2.  */
static void
ask (Fixture *f, const char *method, const char *path, const char *body, Reply *reply)
{
  CURL *curl = client_new (f, f->certificate_path, f->key_path);

  ask_with (f, curl, method, path, body, reply);
  curl_easy_cleanup (curl);
}

static void
assert_status (Fixture *f, const char *method, const char *path, const char *body, long status)
{
  g_auto (Reply) reply;

  ask (f, method, path, body, &reply);
  g_assert_cmpint (reply.status, ==, status);
}

static const struct
{
  const char *method, *path, *body;
} REQUESTS[] = {
  { "GET", "/", NULL },
  { "GET", "/store/dca9/dca99f3c0bc64ba4c5b1b5d0a3a2a4d1c3f0c9e7b7a5f3d1e2c4b6a897867564.cacnk",
    NULL },
  { "POST", "/store", "{}" },
  { "GET", "/images/demo/desktop/1.json.sig", NULL },
  { "GET", "/images/demo/desktop/channels.json.sig", NULL },
  { "POST", "/images/demo/desktop/1.profile", "{}" },
  { "POST", "/hosts/heartbeat", "{\"format\": \"gild-heartbeat-1\", \"port\": 1}" },
  { "GET", "/crl.pem", NULL },
  { "PUT", "/crl.pem", "pem" },
  { "GET", "/join", NULL },
};

/* Nothing but POST /join answers who has no certificate, or one that does not count.  */
static void
test_strangers (Fixture *f, gconstpointer data)
{
  g_autofree char *other_directory = g_build_filename (f->directory, "other", NULL);
  g_autofree char *other_path = g_build_filename (f->directory, "pc4.pem", NULL);
  g_autofree char *other_key = g_build_filename (f->directory, "pc4-key.pem", NULL);
  Config *other = found_site (other_directory, "0");
  g_autofree char *other_site = config_state_path (other, "site", NULL);
  const char *const PATHS[][2] = { { NULL, NULL }, { other_path, other_key } };

  issue (other_site, f->directory, "pc4");
  config_free (other);
  for (gsize i = 0; i < G_N_ELEMENTS (REQUESTS); i++)
    for (gsize j = 0; j < 2; j++)
      {
        g_auto (Reply) reply;
        CURL *curl = client_new (f, PATHS[j][0], PATHS[j][1]);
        ask_with (f, curl, REQUESTS[i].method, REQUESTS[i].path, REQUESTS[i].body, &reply);
        g_assert_cmpint (reply.status, ==, 403);
        g_assert_nonnull (strstr (reply.body, "\"error\""));
        curl_easy_cleanup (curl);
      }
  g_assert_cmpstr (f->seen->str, ==, "");
  g_auto (Reply) joined;
  CURL *curl = client_new (f, NULL, NULL);
  ask_with (f, curl, "POST", "/join", "{\"format\": \"gild-join-1\", \"name\": \"pc5\"}", &joined);
  curl_easy_cleanup (curl);
  g_assert_cmpint (joined.status, ==, 200);
  g_assert_cmpstr (f->seen->str, ==, "join from 127.0.0.1 as pc5; ");
}

/* Who is removed is refused from the next request on, also on a connection that is open.  */
static void
test_removed (Fixture *f, gconstpointer data)
{
  CURL *curl = client_new (f, f->certificate_path, f->key_path);
  g_autoptr (GError) error = NULL;
  g_auto (Reply) before, after, again;
  long n_connects;

  ask_with (f, curl, "GET", "/crl.pem", NULL, &before);
  g_assert_cmpint (before.status, ==, 404);
  g_autoptr (CertificateAuthority) authority = host_identity_load_authority (f->site, &error);
  gnutls_x509_crt_t certificate = certificate_load (f->certificate_path, &error);
  g_assert_true (revocation_add (authority, f->identity->crl_path, certificate, &error));
  gnutls_x509_crt_deinit (certificate);
  ask_with (f, curl, "GET", "/crl.pem", NULL, &after);
  curl_easy_getinfo (curl, CURLINFO_NUM_CONNECTS, &n_connects);
  g_assert_cmpint (n_connects, ==, 0);
  g_assert_cmpint (after.status, ==, 403);
  ask_with (f, curl, "POST", "/hosts/heartbeat", "{}", &again);
  g_assert_cmpint (again.status, ==, 403);
  curl_easy_cleanup (curl);
}

static void
chunk_path (const ChunkId *id, char path[CHUNK_FILE_SIZE + 7])
{
  memcpy (path, "/store/", 7);
  chunk_store_file (id, path + 7);
}

static void
test_chunk (Fixture *f, gconstpointer data)
{
  g_autofree guint8 *chunk = g_malloc (CHUNK_SIZE), *read = g_malloc (CHUNK_SIZE);
  char path[CHUNK_FILE_SIZE + 7];
  ChunkId id = add_chunk (f, 1), none = make_chunk (2, chunk);
  g_auto (Reply) reply, head;
  gsize size = CHUNK_SIZE;

  make_chunk (1, chunk);
  chunk_path (&id, path);
  ask (f, "GET", path, NULL, &reply);
  g_assert_cmpint (reply.status, ==, 200);
  g_assert_true (chunk_frame_decode ((guint8 *)reply.body, reply.size, read, &size, NULL));
  g_assert_cmpmem (read, size, chunk, CHUNK_SIZE);
  ask (f, "HEAD", path, NULL, &head);
  g_assert_cmpint (head.status, ==, 200);
  g_assert_cmpuint (head.size, ==, 0);
  chunk_path (&none, path);
  assert_status (f, "GET", path, NULL, 404);
  assert_status (f, "PUT", path, "x", 405);
}

/* What a stream's records say: "1 2 - 3", in their order; "w" is "still waiting", once for however
   many stand together.  */
typedef struct
{
  GString *text;
  const ChunkId *ids;
  guint n_ids;
} Told;

static gboolean
tell (ChunkRecordKind kind, const ChunkId *id, const guint8 *frame, gsize frame_size, gpointer data,
      GError **error)
{
  Told *told = data;
  g_autofree guint8 *chunk = g_malloc (CHUNK_SIZE);
  gsize size = CHUNK_SIZE;
  guint i = 0;

  if (kind == CHUNK_RECORD_WAITING)
    {
      if (!g_str_has_suffix (told->text->str, "w "))
        g_string_append (told->text, "w ");
      return TRUE;
    }
  while (i < told->n_ids && !chunk_id_equal (&told->ids[i], id))
    i++;
  g_assert_cmpuint (i, <, told->n_ids);
  if (kind == CHUNK_RECORD_FRAME)
    {
      g_assert_true (chunk_frame_decode (frame, frame_size, chunk, &size, NULL));
      ChunkId actual = chunk_id_of (chunk, size);
      g_assert_true (chunk_id_equal (&actual, id));
    }
  g_string_append_printf (told->text, "%s%u ", kind == CHUNK_RECORD_NONE ? "-" : "", i);
  return TRUE;
}

/* Ask for the N_IDS chunks at IDS, and say what came.  */
static char *
ask_chunks (Fixture *f, const ChunkId *ids, guint n_ids, gboolean forward)
{
  g_autofree ChunkWant *want = g_new0 (ChunkWant, 1);
  Told told = { g_string_new (NULL), ids, n_ids };
  g_autoptr (ChunkStreamReader) reader = chunk_stream_reader_new (tell, &told);
  g_auto (Reply) reply;

  want->forward = forward;
  want->n_chunks = n_ids;
  memcpy (want->chunks, ids, n_ids * sizeof *ids);
  g_autofree char *body = chunk_want_to_json (want);
  ask (f, "POST", "/store", body, &reply);
  g_assert_cmpint (reply.status, ==, 200);
  g_assert_true (chunk_stream_reader_add (reader, (guint8 *)reply.body, reply.size, NULL));
  g_assert_true (chunk_stream_reader_end (reader, NULL));
  return g_strchomp (g_string_free (told.text, FALSE));
}

static void
test_stream (Fixture *f, gconstpointer data)
{
  g_autofree guint8 *chunk = g_malloc (CHUNK_SIZE);
  ChunkId ids[4] = { add_chunk (f, 1), make_chunk (99, chunk), add_chunk (f, 2), add_chunk (f, 3) };
  g_autofree char *told = ask_chunks (f, ids, 4, FALSE);

  g_assert_cmpstr (told, ==, "0 -1 2 3");
  g_assert_cmpuint (f->n_wants, ==, 0);
}

/* The largest want there is, of chunks that are larger than any buffer together.  */
static void
test_long_stream (Fixture *f, gconstpointer data)
{
  ChunkId ids[CHUNK_WANT_MAX];
  g_autoptr (GString) expected = g_string_new (NULL);

  for (guint i = 0; i < CHUNK_WANT_MAX; i++)
    {
      ids[i] = i < 30 ? add_chunk (f, i + 1) : ids[i % 30];
      g_string_append_printf (expected, "%s%u", i > 0 ? " " : "", i % 30);
    }
  g_autofree char *told = ask_chunks (f, ids, CHUNK_WANT_MAX, FALSE);
  g_assert_cmpstr (told, ==, expected->str);
}

/* A chunk that is fetched comes behind those that are here, and until then the host says that it
   waits.  */
static void
test_forward (Fixture *f, gconstpointer data)
{
  g_autofree guint8 *chunk = g_malloc (CHUNK_SIZE);
  ChunkId ids[3] = { add_chunk (f, 1), make_chunk (200, chunk), add_chunk (f, 2) };

  f->fetch_usec = 900000;
  g_autofree char *told = ask_chunks (f, ids, 3, TRUE);
  g_assert_cmpstr (told, ==, "0 2 w 1");
  g_assert_cmpuint (f->n_wants, ==, 1);
}

static void
test_forward_at_once (Fixture *f, gconstpointer data)
{
  g_autofree guint8 *chunk = g_malloc (CHUNK_SIZE);
  ChunkId id = make_chunk (200, chunk);
  g_autofree char *told = ask_chunks (f, &id, 1, TRUE);

  g_assert_cmpstr (told, ==, "0");
}

static void
test_forward_fails (Fixture *f, gconstpointer data)
{
  g_autofree guint8 *chunk = g_malloc (CHUNK_SIZE);
  ChunkId id = make_chunk (200, chunk);

  f->fetch_fails = TRUE;
  f->fetch_usec = 300000;
  g_autofree char *told = ask_chunks (f, &id, 1, TRUE);
  g_assert_cmpstr (told, ==, "w -0");
}

/* Whether the client goes on, 0, or gives up.  */
static int
may_go_on (void *data, curl_off_t to_come, curl_off_t come, curl_off_t to_go, curl_off_t gone)
{
  return g_atomic_int_get (&((Fixture *)data)->gives_up);
}

static void
wait_for_wants (Fixture *f, guint count)
{
  for (guint n = 0; n < count; g_usleep (1000))
    {
      g_mutex_lock (&f->lock);
      n = f->n_wants;
      g_mutex_unlock (&f->lock);
    }
}

static gpointer
ask_and_give_up (gpointer data)
{
  Fixture *f = data;
  g_autofree guint8 *chunk = g_malloc (CHUNK_SIZE);
  g_autofree ChunkWant *want = g_new0 (ChunkWant, 1);
  CURL *curl = client_new (f, f->certificate_path, f->key_path);
  g_auto (Reply) reply;

  want->forward = TRUE;
  want->n_chunks = 1;
  want->chunks[0] = make_chunk (200, chunk);
  g_autofree char *body = chunk_want_to_json (want);
  curl_easy_setopt (curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt (curl, CURLOPT_XFERINFOFUNCTION, may_go_on);
  curl_easy_setopt (curl, CURLOPT_XFERINFODATA, f);
  ask_with (f, curl, "POST", "/store", body, &reply);
  g_assert_cmpint (reply.status, ==, 0);
  curl_easy_cleanup (curl);
  return NULL;
}

/* A client that goes away, and a server that ends, while a chunk is fetched: its coming then does
   no harm.  */
static void
test_forward_ends_late (Fixture *f, gconstpointer data)
{
  f->fetch_usec = -1;
  GThread *thread = g_thread_new ("client", ask_and_give_up, f);
  wait_for_wants (f, 1);
  g_atomic_int_set (&f->gives_up, 1);
  g_thread_join (thread);
  g_atomic_int_set (&f->gives_up, 0);
  thread = g_thread_new ("client", ask_and_give_up, f);
  wait_for_wants (f, 2);
  g_clear_pointer (&f->server, site_server_free);
  g_thread_join (thread);
  for (guint i = 0; i < f->fetches->len; i++)
    {
      Fetch *fetch = f->fetches->pdata[i];
      fetch->done (&fetch->id, NULL, fetch->data);
      g_free (fetch);
    }
}

/* 1 MiB a second, 256 KiB at once.  */
static void
test_upload_limit (Fixture *f, gconstpointer data)
{
  ChunkId ids[32];
  char path[CHUNK_FILE_SIZE + 7];
  g_auto (Reply) reply;

  for (guint i = 0; i < 32; i++)
    ids[i] = add_chunk (f, i + 1);
  gint64 begin_us = g_get_monotonic_time ();
  g_autofree char *told = ask_chunks (f, ids, 32, FALSE); // 2 MiB
  chunk_path (&ids[0], path);
  ask (f, "GET", path, NULL, &reply);
  gint64 time_us = g_get_monotonic_time () - begin_us;
  g_assert_cmpint (reply.status, ==, 200);
  g_assert_cmpuint (reply.size, >, CHUNK_SIZE / 2);
  g_assert_true (g_str_has_prefix (told, "0 1 2 3 "));
  g_assert_true (g_str_has_suffix (told, " 31"));
  g_assert_cmpint (time_us, >=, 1600000);
  g_test_message ("2 MiB took %d ms", (int)(time_us / 1000));
}

static void
test_bodies (Fixture *f, gconstpointer data)
{
  g_autofree char *large = g_strnfill (5u << 20, ' ');
  g_autofree char *want = g_strnfill (CHUNK_WANT_SIZE_MAX + 1, ' ');
  g_auto (Reply) reply;

  assert_status (f, "POST", "/store", "", 400);
  assert_status (f, "POST", "/store", "{}", 400);
  assert_status (f, "POST", "/store", want, 413);
  assert_status (f, "GET", "/crl.pem", "x", 413);
  assert_status (f, "POST", "/hosts/heartbeat", "[]", 400);
  assert_status (f, "POST", "/hosts/heartbeat", "{\"format\": \"gild-heartbeat-2\"}", 400);
  assert_status (f, "POST", "/images/demo/desktop/1.profile", "{\"format\": 7}", 400);
  // The answer may go under where the client has not sent all of it when the connection is closed.
  ask (f, "POST", "/images/demo/desktop/1.profile", large, &reply);
  g_assert_true (reply.status == 413 || reply.status == 0);
  assert_status (f, "POST", "/join", want, 413);
  assert_status (f, "GET", "/nothing", NULL, 404);
  g_assert_cmpstr (f->seen->str, ==, "");
}

static void
test_calls (Fixture *f, gconstpointer data)
{
  assert_status (f, "POST", "/hosts/heartbeat", "{\"format\": \"gild-heartbeat-1\", \"port\": 77}",
                 200);
  assert_status (f, "POST", "/images/demo/desktop/12.profile", "{\"format\": \"gild-profile-1\"}",
                 200);
  assert_status (f, "PUT", "/crl.pem", "pem", 200);
  g_assert_cmpstr (
      f->seen->str, ==,
      "heartbeat of pc2 at 127.0.0.1, port 77; profile of demo/desktop@12 by pc2; list 'pem'; ");
}

/* What is the client's fault is told to it, what is not is told to the log alone.  */
static void
test_errors (Fixture *f, gconstpointer data)
{
  static const struct
  {
    GIOErrorEnum code;
    long status;
  } CODES[] = {
    { G_IO_ERROR_INVALID_ARGUMENT, 400 }, { G_IO_ERROR_PERMISSION_DENIED, 403 },
    { G_IO_ERROR_NOT_FOUND, 404 },        { G_IO_ERROR_EXISTS, 409 },
    { G_IO_ERROR_NO_SPACE, 500 },         { G_IO_ERROR_FAILED, 500 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (CODES); i++)
    {
      g_auto (Reply) reply;
      g_clear_error (&f->error);
      fail_code (&f->error, CODES[i].code, "/var/lib/gild: the sentence");
      if (CODES[i].status == 500)
        g_test_expect_message ("gild", G_LOG_LEVEL_MESSAGE, "*pc2 (127.0.0.1)*the sentence");
      ask (f, "PUT", "/crl.pem", "pem", &reply);
      g_test_assert_expected_messages ();
      g_assert_cmpint (reply.status, ==, CODES[i].status);
      g_assert_cmpint (strstr (reply.body, "the sentence") != NULL, ==, CODES[i].status != 500);
      g_assert_nonnull (strstr (reply.body, "\"error\""));
    }
}

static void
write_record (Fixture *f, const char *image, const char *file)
{
  g_autofree char *path = config_state_path (f->config, "images", image, file, NULL);
  g_autofree char *directory = g_path_get_dirname (path);

  g_mkdir_with_parents (directory, 0755);
  g_assert_true (g_file_set_contents (path, file, -1, NULL));
}

/* Records are for the hosts of their department, and nothing beside them is for anybody.  */
static void
test_records (Fixture *f, gconstpointer data)
{
  g_auto (Reply) record;
  g_autofree char *link =
      config_state_path (f->config, "images", "demo", "desktop", "2.json.sig", NULL);

  write_record (f, "demo/desktop", "1.json.sig");
  write_record (f, "demo/desktop", "1.json");
  write_record (f, "accounting/desktop", "1.json.sig");
  ask (f, "GET", "/images/demo/desktop/1.json.sig", NULL, &record);
  g_assert_cmpint (record.status, ==, 200);
  g_assert_cmpstr (record.body, ==, "1.json.sig");
  assert_status (f, "GET", "/images/demo/desktop/1.json", NULL, 404);
  assert_status (f, "GET", "/images/demo/desktop/3.json.sig", NULL, 404);
  assert_status (f, "GET", "/images/demo/other/1.json.sig", NULL, 404);
  assert_status (f, "GET", "/images/accounting/desktop/1.json.sig", NULL, 403);
  assert_status (f, "GET", "/images/accounting/desktop/9.json.sig", NULL, 403);
  assert_status (f, "POST", "/images/accounting/desktop/1.profile",
                 "{\"format\": \"gild-profile-1\"}", 403);
  g_assert_cmpint (symlink ("../../../site/ca-key.pem", link), ==, 0);
  g_test_expect_message ("gild", G_LOG_LEVEL_MESSAGE, "*2.json.sig*");
  assert_status (f, "GET", "/images/demo/desktop/2.json.sig", NULL, 500);
  g_test_assert_expected_messages ();
  g_assert_cmpstr (f->seen->str, ==, "");
}

/* Who tries to join again and again is told to wait, and nobody else is.  */
static void
test_joins (Fixture *f, gconstpointer data)
{
  CURL *curl =
      client_new (f, NULL, NULL); // one connection: a handshake each would be slower than the limit
  long status = 200;

  for (guint i = 0; i < 50 && status == 200; i++)
    {
      g_auto (Reply) reply;
      ask_with (f, curl, "POST", "/join", "{\"format\": \"gild-join-1\", \"name\": \"pc5\"}",
                &reply);
      status = reply.status;
    }
  g_assert_cmpint (status, ==, 429);
  curl_easy_cleanup (curl);
  assert_status (f, "GET", "/nothing", NULL, 404);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path, *upload_limit;
    void (*test) (Fixture *f, gconstpointer upload_limit);
  } TESTS[] = {
    { "/site-server/strangers", NULL, test_strangers },
    { "/site-server/removed", NULL, test_removed },
    { "/site-server/bodies", NULL, test_bodies },
    { "/site-server/errors", NULL, test_errors },
    { "/site-server/joins", NULL, test_joins },
    { "/site-server/calls", NULL, test_calls },
    { "/site-server/records", NULL, test_records },
    { "/site-server/chunk", NULL, test_chunk },
    { "/site-server/stream", NULL, test_stream },
    { "/site-server/long-stream", NULL, test_long_stream },
    { "/site-server/forward", NULL, test_forward },
    { "/site-server/forward-at-once", NULL, test_forward_at_once },
    { "/site-server/forward-fails", NULL, test_forward_fails },
    { "/site-server/forward-ends-late", NULL, test_forward_ends_late },
    { "/site-server/upload-limit", "1MiB", test_upload_limit },
  };

  const struct passwd *nobody = geteuid () == 0 ? getpwnam ("nobody") : NULL;

  // Root's sites are the user gild's, which need not be there.
  if (nobody && !privilege_change_user (nobody->pw_uid, nobody->pw_gid))
    g_error ("cannot become nobody");
  g_test_init (&argc, &argv, NULL);
  curl_global_init (CURL_GLOBAL_DEFAULT);
  for (gsize i = 0; i < G_N_ELEMENTS (TESTS); i++)
    g_test_add (TESTS[i].path, Fixture, TESTS[i].upload_limit, set_up, TESTS[i].test, tear_down);
  int status = g_test_run ();
  curl_global_cleanup ();
  return status;
}
