// SPDX-License-Identifier: GPL-2.0-or-later
// Joining: nothing goes to a host of another site, and an answer is believed as far as the CA has
// signed it.
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <gnutls/abstract.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "network/admission.h"
#include "network/host-identity.h"
#include "network/host-list.h"
#include "network/join-token.h"
#include "network/joined-site.h"
#include "network/pinned-connection.h"
#include "qcow-backing/chunk-id.h"
#include "qcow-backing/gnutls-handles.h"
#include "qcow-backing/privilege.h"
#include "qcow-backing/site.h"
#include "tests/unit/remove-tree.h"

/* A publisher called pc1, and the state of a host that joins.  */
typedef struct
{
  char *directory, *site;
  Config *publisher, *joiner;
  gnutls_x509_crt_t ca;
  guint8 fingerprint[JOIN_FINGERPRINT_SIZE];
} Fixture;

static Config *
make_config (const char *directory, const char *name)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *state = g_build_filename (directory, name, NULL);

  g_key_file_set_value (file, "paths", "state", state);
  return config_from_key_file (file, "test", NULL);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  gsize size = sizeof f->fingerprint;

  f->directory = g_dir_make_tmp ("gild-join-XXXXXX", NULL);
  f->publisher = make_config (f->directory, "publisher");
  f->joiner = make_config (f->directory, "joiner");
  site_init (f->publisher, "test", host_identity_make, (gpointer) "pc1", &error);
  g_assert_no_error (error);
  f->site = config_state_path (f->publisher, "site", NULL);
  g_autofree char *ca_path = g_build_filename (f->site, "ca.pem", NULL);
  f->ca = certificate_load (ca_path, NULL);
  gnutls_x509_crt_get_fingerprint (f->ca, GNUTLS_DIG_SHA256, f->fingerprint, &size);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  remove_tree (f->directory);
  config_free (f->publisher);
  config_free (f->joiner);
  gnutls_x509_crt_deinit (f->ca);
  g_free (f->directory);
  g_free (f->site);
}

static void
assert_error_says (GError **error, const char *words)
{
  g_assert_nonnull (*error);
  if (!strstr ((*error)->message, words))
    g_error ("\"%s\" does not say \"%s\"", (*error)->message, words);
  g_clear_error (error);
}

/* A server for one connection: what it is, and what it has got.  */
typedef struct
{
  const char *certificates, *key; // PEM; NULL: it speaks no TLS
  const char *plain;              // what it says without TLS; NULL: nothing, until the peer goes
  GSocketListener *listener;
  guint port;
  GThread *thread;
  gssize received; // bytes of the peer's, within TLS; -1 if there was no handshake
} Server;

static void
serve_plain (const Server *server, int fd)
{
  char buffer[512];

  if (server->plain)
    g_assert_cmpint (write (fd, server->plain, strlen (server->plain)), >, 0);
  while (!server->plain && read (fd, buffer, sizeof buffer) > 0)
    ;
}

/* Have CREDENTIALS send the certificates just as they are: GnuTLS's other functions leave out what
   does not belong together.  */
static void
set_chain (gnutls_certificate_credentials_t credentials, const Server *server)
{
  gnutls_datum_t certificates = { (guint8 *)server->certificates,
                                  (guint)strlen (server->certificates) };
  gnutls_datum_t key_text = { (guint8 *)server->key, (guint)strlen (server->key) };
  gnutls_pcert_st chain[2]; // whose contents CREDENTIALS has then
  gnutls_privkey_t key;
  guint count = 2;

  g_assert_cmpint (
      gnutls_pcert_list_import_x509_raw (chain, &count, &certificates, GNUTLS_X509_FMT_PEM, 0), >=,
      0);
  g_assert_cmpint (gnutls_privkey_init (&key), >=, 0);
  g_assert_cmpint (gnutls_privkey_import_x509_raw (key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0),
                   >=, 0);
  g_assert_cmpint (gnutls_certificate_set_key (credentials, NULL, 0, chain, (int)count, key), >=,
                   0);
}

static void
serve_tls (Server *server, int fd)
{
  gnutls_certificate_credentials_t credentials;
  gnutls_session_t session;
  char buffer[512];
  int status;

  gnutls_certificate_allocate_credentials (&credentials);
  set_chain (credentials, server);
  gnutls_init (&session, GNUTLS_SERVER);
  gnutls_set_default_priority (session);
  gnutls_credentials_set (session, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_transport_set_int (session, fd);
  do
    status = gnutls_handshake (session);
  while (status < 0 && !gnutls_error_is_fatal (status));
  if (status >= 0)
    {
      server->received = gnutls_record_recv (session, buffer, sizeof buffer);
      if (server->received > 0)
        gnutls_record_send (session, "welcome", 7);
      gnutls_bye (session, GNUTLS_SHUT_WR);
    }
  gnutls_deinit (session);
  gnutls_certificate_free_credentials (credentials);
}

static gpointer
serve (gpointer data)
{
  Server *server = data;
  g_autoptr (GSocket) socket = g_socket_listener_accept_socket (server->listener, NULL, NULL, NULL);

  if (!socket)
    return NULL;
  g_socket_set_blocking (socket, TRUE);
  int fd = dup (g_socket_get_fd (socket)); // GSocket's own never blocks
  g_unix_set_fd_nonblocking (fd, FALSE, NULL);
  if (server->certificates)
    serve_tls (server, fd);
  else
    serve_plain (server, fd);
  close (fd);
  return NULL;
}

static void
start (Server *server)
{
  server->listener = g_socket_listener_new ();
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) effective = NULL;

  server->received = -1;
  g_assert_true (g_socket_listener_add_address (server->listener, any, G_SOCKET_TYPE_STREAM,
                                                G_SOCKET_PROTOCOL_TCP, NULL, &effective, NULL));
  server->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (effective));
  server->thread = g_thread_new ("server", serve, server);
}

static void
finish (Server *server)
{
  g_thread_join (server->thread);
  g_object_unref (server->listener);
}

/* NAME of the site in DIRECTORY.  */
static char *
read_site (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

/* A server as F's publisher is.  */
static void
be_publisher (const Fixture *f, Server *server)
{
  g_autofree char *host = read_site (f->site, "host.pem");
  g_autofree char *ca = read_site (f->site, "ca.pem");

  server->certificates = g_strconcat (host, ca, NULL);
  server->key = read_site (f->site, "host-key.pem");
}

static void
clear (Server *server)
{
  g_free ((char *)server->certificates);
  g_free ((char *)server->key);
}

/* Connecting to SERVER fails and says WORDS; nothing is sent to it.  */
static void
refuse (const Fixture *f, Server *server, const char *words)
{
  g_autoptr (GError) error = NULL;

  start (server);
  g_assert_null (pinned_connection_open ("127.0.0.1", server->port, f->fingerprint, 2, &error));
  assert_error_says (&error, words);
  finish (server);
  g_assert_cmpint (server->received, <=, 0);
}

static void
test_strangers (Fixture *f, gconstpointer data)
{
  Server server = { 0 };
  g_autoptr (GError) error = NULL;
  Fixture other;

  set_up (&other, NULL);
  be_publisher (&other, &server);
  refuse (f, &server, "nothing was sent");

  // It says to be signed by the right CA, and is not.
  char *own = read_site (other.site, "host.pem");
  g_autofree char *ca = read_site (f->site, "ca.pem");
  g_free ((char *)server.certificates);
  server.certificates = g_strconcat (own, ca, NULL);
  refuse (f, &server, "another CA");
  g_free ((char *)server.certificates);
  server.certificates = own; // without any CA
  refuse (f, &server, "nothing was sent");
  clear (&server);
  tear_down (&other, NULL);

  // The CA itself is no host.
  server = (Server){ read_site (f->site, "ca.pem"), read_site (f->site, "ca-key.pem") };
  refuse (f, &server, "127.0.0.1:");
  clear (&server);
}

static void
test_no_tls (Fixture *f, gconstpointer data)
{
  Server talks = { .plain = "HTTP/1.1 400 Bad Request\r\n\r\n" }, hangs_up = { .plain = "\r" };
  Server silent = { 0 };
  g_autoptr (GError) error = NULL;
  gint64 started = g_get_monotonic_time ();

  refuse (f, &talks, "no host of a site answers");
  refuse (f, &hangs_up, "no host of a site answers");
  refuse (f, &silent, "no host of a site answers");
  g_assert_cmpint (g_get_monotonic_time () - started, <, 10 * G_USEC_PER_SEC);
  g_assert_null (pinned_connection_open ("127.0.0.1", talks.port, f->fingerprint, 2, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE);
}

static void
test_publisher (Fixture *f, gconstpointer data)
{
  Server server = { 0 };
  g_autoptr (GError) error = NULL;
  char buffer[64];

  be_publisher (f, &server);
  start (&server);
  g_autoptr (PinnedConnection) connection =
      pinned_connection_open ("127.0.0.1", server.port, f->fingerprint, 10, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pinned_connection_host (connection), ==, "pc1");
  g_assert_cmpstr (pinned_connection_address (connection), ==, "127.0.0.1");
  g_assert_true (pinned_connection_send (connection, "secret", 6, &error));
  gssize count = pinned_connection_receive (connection, buffer, sizeof buffer, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (buffer, count, "welcome", 7);
  g_assert_cmpint (pinned_connection_receive (connection, buffer, sizeof buffer, &error), ==, 0);
  finish (&server);
  g_assert_cmpint (server.received, ==, 6);
  clear (&server);
}

/* What a host that joined as pc2 was answered, and its key.  */
static JsonObject *
get_answer (Fixture *f, char **key)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) invitation = admission_invite (f->publisher, 60, &error);
  g_autoptr (JsonObject) body = json_object_new ();
  g_autofree char *request = NULL;

  g_assert_true (host_certificate_request ("pc2", key, &request, &error));
  json_object_set_string_member (body, "format", ADMISSION_REQUEST_FORMAT);
  json_object_set_string_member (body, "secret",
                                 json_object_get_string_member (invitation, "secret"));
  json_object_set_string_member (body, "name", "pc2");
  json_object_set_string_member (body, "request", request);
  JsonObject *answer = admission_join (f->publisher, "", body, &error);
  g_assert_no_error (error);
  return answer;
}

static gboolean
write_joined (const Config *config, const char *directory, gpointer data, GError **error)
{
  return joined_site_write (config, directory, data, error);
}

/* The site of ANSWER is refused, and WORDS say why; nothing of it is left.  */
static void
refuse_answer (Fixture *f, JoinedSite *joined, const char *words)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = config_state_path (f->joiner, "site", NULL);

  g_assert_false (site_directory_create (f->joiner, write_joined, joined, &error));
  assert_error_says (&error, words);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
test_bad_answers (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *member, *value, *words; // value: NULL for null; "[]" and so on for what is not text
  } SPOILED[] = {
    { "format", "gild-joined-2", "gild-joined-2" },
    { "site", "test", "site" },
    { "public_key", "untrusted comment: x\nabc\n", "signify" },
    { "certificate", "-----BEGIN CERTIFICATE-----\n", "certificate" },
    { "crl", "none", "revocation list" },
    { "hosts", "none", "hosts" },
    { "images", "none", "images" },
  };
  Fixture other;
  g_autofree char *key = NULL, *other_key = NULL;
  g_autoptr (JsonObject) answer = get_answer (f, &key);
  JoinedSite joined = { answer, "pc2", key, f->ca, "pc1", "192.0.2.1", 10890 };

  for (gsize i = 0; i < G_N_ELEMENTS (SPOILED); i++)
    {
      JsonNode *was = json_node_copy (json_object_get_member (answer, SPOILED[i].member));
      json_object_set_string_member (answer, SPOILED[i].member, SPOILED[i].value);
      refuse_answer (f, &joined, SPOILED[i].words);
      json_object_remove_member (answer, SPOILED[i].member);
      refuse_answer (f, &joined, SPOILED[i].member);
      json_object_set_member (answer, SPOILED[i].member, was);
    }

  // Signed by the CA, and yet not this host's.
  joined.name = "pc3";
  refuse_answer (f, &joined, "not the one that this host asked for");
  joined.name = "pc2";
  g_autoptr (JsonObject) body = json_object_new ();
  g_autofree char *request = NULL;
  g_assert_true (host_certificate_request ("pc2", &other_key, &request, NULL));
  joined.key_pem = other_key;
  refuse_answer (f, &joined, "not the one that this host asked for");
  joined.key_pem = key;

  // A host of the site that answers in the publisher's place cannot bring its own key.
  set_up (&other, NULL);
  g_autofree char *own_key = g_strdup (json_object_get_string_member (answer, "public_key"));
  g_autofree char *forged_key = read_site (other.site, "site.pub");
  json_object_set_string_member (answer, "public_key", forged_key);
  refuse_answer (f, &joined, "not the one that the site's CA knows");
  json_object_set_string_member (answer, "public_key", own_key);
  joined.ca = other.ca;
  refuse_answer (f, &joined, "another CA");
  tear_down (&other, NULL);
}

static void
test_joined (Fixture *f, gconstpointer data)
{
  static const char HOSTS[] =
      "{\"format\":\"gild-hosts-1\",\"written\":\"2026-11-21T12:00:00Z\",\"hosts\":[{\"name\":\"pc9\","
      "\"address\":\"192.0.2.9\",\"port\":10890,\"origin\":true,\"publisher\":false,\"seen\":4}]}";
  g_autofree char *hosts_path = g_build_filename (f->site, "hosts.json", NULL);
  g_autofree char *key = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (hosts_path, HOSTS, -1, NULL));
  g_autoptr (JsonObject) first = get_answer (f, &key);
  g_assert_true (admission_remove (f->publisher, "pc2", &error));
  g_clear_pointer (&key, g_free);
  g_autoptr (JsonObject) answer = get_answer (f, &key);
  JoinedSite joined = { answer, "pc2", key, f->ca, "pc1", "192.0.2.1", 10890 };
  site_directory_create (f->joiner, write_joined, &joined, &error);
  g_assert_no_error (error);

  g_autofree char *site = config_state_path (f->joiner, "site", NULL);
  static const char *const SAME[] = { "site.json", "site.pub", "ca.pem", "crl.pem" };
  for (gsize i = 0; i < G_N_ELEMENTS (SAME); i++)
    {
      g_autofree char *there = read_site (f->site, SAME[i]), *here = read_site (site, SAME[i]);
      g_assert_cmpstr (there, ==, here);
    }
  g_autoptr (HostIdentity) identity = host_identity_load (f->joiner, &error);
  g_assert_cmpstr (identity->name, ==, "pc2");
  g_autofree char *own_hosts = g_build_filename (site, "hosts.json", NULL);
  g_autoptr (HostList) list = host_list_new (own_hosts, "pc2");
  g_autoptr (GPtrArray) hosts = host_list_get (list);
  g_assert_cmpuint (hosts->len, ==, 2);
  const Host *publisher = hosts->pdata[0];
  g_assert_cmpstr (publisher->address, ==, "192.0.2.1");
  g_assert_true (publisher->is_origin && publisher->is_publisher);
  g_assert_true (host_is_live (publisher, g_get_monotonic_time ()));
  // Once, and keys stay where they were made.
  g_assert_false (site_directory_create (f->joiner, write_joined, &joined, &error));
  assert_error_says (&error, "already");
  g_autofree char *secret = g_build_filename (site, "ca-key.pem", NULL);
  g_assert_false (g_file_test (secret, G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
  const struct passwd *nobody = geteuid () == 0 ? getpwnam ("nobody") : NULL;

  // Root's sites are the user gild's, which need not be there.
  if (nobody && !privilege_change_user (nobody->pw_uid, nobody->pw_gid))
    g_error ("cannot become nobody");
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/join/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("strangers", test_strangers);
  ADD ("no-tls", test_no_tls);
  ADD ("publisher", test_publisher);
  ADD ("bad-answers", test_bad_answers);
  ADD ("joined", test_joined);
  return g_test_run ();
}
