// SPDX-License-Identifier: GPL-2.0-or-later
// As many hosts as wanted, that only send heartbeats to an origin and keep their connections open.
//
//   many-hosts SITE ADDRESS PORT FIRST-ADDRESS HOSTS SECONDS INTERVAL
//
// SITE is a publisher's STATE/site, by whose CA they get their certificates.  Each has an IPv4
// address of its own, from FIRST-ADDRESS on, that this PC has to have.  The first heartbeats are
// spread over INTERVAL seconds.  Prints "HEARTBEATS ERRORS BYTES-OF-ANSWERS" of those in SECONDS
// after each has sent its first three.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <json-glib/json-glib.h>

#include "network/host-certificate.h"

#define ANSWER_SIZE_MAX (4u << 20)
#define FIRST_BEATS     3

typedef struct
{
  struct sockaddr_in origin;
  guint32 first_address;
  guint interval;
  gnutls_certificate_credentials_t *credentials; // of each host
  gint heartbeats, errors, bytes;                // atomic
} Office;

typedef struct
{
  Office *office;
  guint number;
  gnutls_session_t session; // NULL while there is no connection
  int fd;
  JsonNode *known; // as the last answer has it
} Sender;

static _Noreturn void
die (const char *what, const char *why)
{
  fprintf (stderr, "many-hosts: %s: %s\n", what, why);
  exit (EXIT_FAILURE);
}

static void
check (const char *what, int status)
{
  if (status < 0)
    die (what, gnutls_strerror (status));
}

static gnutls_certificate_credentials_t
make_credentials (const CertificateAuthority *authority, const char *site_key, guint number)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf ("many-%u", number);
  g_autofree char *key = NULL, *request = NULL;
  gnutls_certificate_credentials_t credentials;

  if (!host_certificate_request (name, &key, &request, &error))
    die (name, error->message);
  gnutls_x509_crt_t certificate =
      host_certificate_issue (authority, name, request, site_key, &error);
  g_autofree char *pem = certificate ? certificate_to_pem (certificate, &error) : NULL;
  if (!pem)
    die (name, error->message);
  gnutls_datum_t pem_datum = { (guint8 *)pem, (guint)strlen (pem) };
  gnutls_datum_t key_datum = { (guint8 *)key, (guint)strlen (key) };
  check (name, gnutls_certificate_allocate_credentials (&credentials));
  check (name, gnutls_certificate_set_x509_key_mem (credentials, &pem_datum, &key_datum,
                                                    GNUTLS_X509_FMT_PEM));
  gnutls_x509_crt_deinit (certificate);
  return credentials;
}

static void
hang_up (Sender *sender)
{
  if (sender->session)
    gnutls_deinit (sender->session);
  if (sender->fd >= 0)
    close (sender->fd);
  sender->session = NULL;
  sender->fd = -1;
}

static gboolean
call (Sender *sender)
{
  Office *office = sender->office;
  struct sockaddr_in own = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl (office->first_address + sender->number) };
  int status;

  sender->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind (sender->fd, (struct sockaddr *)&own, sizeof own) < 0
      || connect (sender->fd, (struct sockaddr *)&office->origin, sizeof office->origin) < 0)
    return FALSE;
  check ("gnutls_init", gnutls_init (&sender->session, GNUTLS_CLIENT));
  check ("gnutls_set_default_priority", gnutls_set_default_priority (sender->session));
  check ("gnutls_credentials_set", gnutls_credentials_set (sender->session, GNUTLS_CRD_CERTIFICATE,
                                                           office->credentials[sender->number]));
  gnutls_transport_set_int (sender->session, sender->fd);
  do
    status = gnutls_handshake (sender->session);
  while (status < 0 && !gnutls_error_is_fatal (status));
  return status == 0;
}

/* A request whose body is BODY.  */
static gboolean
send_request (Sender *sender, const char *body)
{
  g_autofree char *text =
      g_strdup_printf ("POST /hosts/heartbeat HTTP/1.1\r\nHost: origin.gild.internal\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen (body), body);
  gsize size = strlen (text);

  for (gsize sent = 0; sent < size;)
    {
      gssize n = gnutls_record_send (sender->session, text + sent, size - sent);
      if (n <= 0)
        return FALSE;
      sent += (gsize)n;
    }
  return TRUE;
}

/* The body of the answer, the caller's; NULL where there is none, or it is no good one.  */
static char *
receive_answer (Sender *sender)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gsize head = 0, wanted = ANSWER_SIZE_MAX;

  while (text->len < wanted)
    {
      char buffer[16384];
      gssize n = gnutls_record_recv (sender->session, buffer, sizeof buffer);
      if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
        continue;
      if (n <= 0)
        return NULL;
      g_string_append_len (text, buffer, n);
      const char *end = strstr (text->str, "\r\n\r\n");
      if (!end || head > 0)
        continue;
      head = (gsize)(end - text->str) + strlen ("\r\n\r\n");
      g_autofree char *lower = g_ascii_strdown (text->str, (gssize)head);
      const char *length = strstr (lower, "content-length:");
      if (!length || !g_str_has_prefix (lower, "http/1.1 200 "))
        return NULL;
      wanted = head + g_ascii_strtoull (length + strlen ("content-length:"), NULL, 10);
    }
  g_atomic_int_add (&sender->office->bytes, (gint)text->len);
  return g_strdup (text->str + head);
}

/* The body of the next heartbeat: of a PC with one complete image, that runs a desktop.  */
static char *
make_body (const Sender *sender)
{
  g_autofree char *known =
      sender->known ? json_to_string (sender->known, FALSE) : g_strdup ("null");

  return g_strdup_printf (
      "{\"format\": \"gild-heartbeat-1\", \"port\": 10890, \"origin\": false, \"publisher\": false, "
      "\"versions\": [{\"ref\": \"demo/debian@1\", \"missing\": 0}], \"desktops\": [\"desktop-%u\"], "
      "\"crl\": 0, \"known\": %s}",
      sender->number, known);
}

/* What the next heartbeat says of ANSWER, as hosts do that want to hear nothing of holdings.  */
static gboolean
take_answer (Sender *sender, const char *answer)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *known;

  if (!json_parser_load_from_data (parser, answer, -1, NULL))
    return FALSE;
  JsonObject *object = json_node_get_object (json_parser_get_root (parser));
  if (!json_object_has_member (object, "list") || !json_object_has_member (object, "reach"))
    return TRUE;
  known = json_object_new ();
  json_object_set_string_member (known, "list", json_object_get_string_member (object, "list"));
  json_object_set_int_member (known, "reach", json_object_get_int_member (object, "reach"));
  json_object_set_null_member (known, "holdings");
  g_clear_pointer (&sender->known, json_node_unref);
  sender->known = json_node_init_object (json_node_alloc (), known);
  json_object_unref (known);
  return TRUE;
}

static gboolean
beat (Sender *sender)
{
  g_autofree char *body = make_body (sender);
  g_autofree char *answer = NULL;

  if (!sender->session && !call (sender))
    return FALSE;
  return send_request (sender, body) && (answer = receive_answer (sender)) != NULL
         && take_answer (sender, answer);
}

static gpointer
send_heartbeats (gpointer data)
{
  Sender *sender = data;
  Office *office = sender->office;
  gulong interval_us = office->interval * G_USEC_PER_SEC;

  g_usleep ((gulong)g_random_int_range (0, (gint)interval_us));
  for (;;)
    {
      if (beat (sender))
        g_atomic_int_inc (&office->heartbeats);
      else
        {
          g_atomic_int_inc (&office->errors);
          hang_up (sender);
        }
      g_usleep (interval_us * 8 / 10 + (gulong)g_random_int_range (0, (gint)interval_us * 4 / 10));
    }
  return NULL;
}

static CertificateAuthority *
load_site (const char *site, char **site_key)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *ca_path = g_build_filename (site, "ca.pem", NULL);
  g_autofree char *ca_key_path = g_build_filename (site, "ca-key.pem", NULL);
  g_autofree char *site_key_path = g_build_filename (site, "site.pub", NULL);
  CertificateAuthority *authority = certificate_authority_load (ca_key_path, ca_path, &error);

  if (!authority || !g_file_get_contents (site_key_path, site_key, NULL, &error))
    die (site, error->message);
  return authority;
}

/* Wait until the clock of the figures may start, and say so in a line.  */
static void
wait_for_start (Office *office)
{
  g_usleep (FIRST_BEATS * office->interval * G_USEC_PER_SEC);
  g_print ("start\n");
  fflush (stdout);
  g_atomic_int_set (&office->heartbeats, 0);
  g_atomic_int_set (&office->errors, 0);
  g_atomic_int_set (&office->bytes, 0);
}

int
main (int argc, char **argv)
{
  Office office = { .origin = { .sin_family = AF_INET } };
  g_autofree char *site_key = NULL;
  struct in_addr first;

  if (argc != 8 || inet_pton (AF_INET, argv[2], &office.origin.sin_addr) != 1
      || inet_pton (AF_INET, argv[4], &first) != 1)
    {
      fprintf (stderr,
               "usage: many-hosts SITE ADDRESS PORT FIRST-ADDRESS HOSTS SECONDS INTERVAL\n");
      return 2;
    }
  guint n_hosts = (guint)atoi (argv[5]);
  g_autoptr (CertificateAuthority) authority = load_site (argv[1], &site_key);
  g_autoptr (GPtrArray) threads = g_ptr_array_new ();
  office.origin.sin_port = htons ((guint16)atoi (argv[3]));
  office.first_address = ntohl (first.s_addr);
  office.interval = (guint)atoi (argv[7]);
  office.credentials = g_new (gnutls_certificate_credentials_t, n_hosts);
  for (guint i = 0; i < n_hosts; i++)
    office.credentials[i] = make_credentials (authority, site_key, i);
  Sender *senders = g_new0 (Sender, n_hosts);
  for (guint i = 0; i < n_hosts; i++)
    {
      senders[i] = (Sender){ .office = &office, .number = i, .fd = -1 };
      g_ptr_array_add (threads, g_thread_new ("host", send_heartbeats, &senders[i]));
    }
  wait_for_start (&office);
  g_usleep ((gulong)atoi (argv[6]) * G_USEC_PER_SEC);
  printf ("%d %d %d\n", g_atomic_int_get (&office.heartbeats), g_atomic_int_get (&office.errors),
          g_atomic_int_get (&office.bytes));
  return EXIT_SUCCESS; // the threads, which may sleep for long, end with it
}
