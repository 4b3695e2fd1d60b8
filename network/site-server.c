// SPDX-License-Identifier: GPL-2.0-or-later
// What this host answers to the other hosts of its site: HTTPS, with a certificate on both sides.
//
// libmicrohttpd's threads do all of it.  A request comes to on_request several times: first with
// its head, by which it may be refused, then with each piece of its body, at last with none, and
// once more each time that it was suspended.

#include "site-server.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "qcow-backing/fail.h"
#include "site-listen.h"
#include "site-request.h"

#define THREADS_MAX           4u
#define CONNECTIONS_MAX       1024u
#define NEW_CONNECTIONS_RATE  50u // a second, of one address
#define NEW_CONNECTIONS_BURST 300u
#define JOINS_RATE            1u
#define JOINS_BURST           10u
#define IDLE_SECONDS          60u
#define MEMORY_OF_CONNECTION                                                                       \
  (64u << 10) // half of it holds what is sent: records of TLS have 16 KiB

// AES-GCM alone: it is what the hardware does.
#define PRIORITIES                                                                                 \
  "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:%SERVER_PRECEDENCE"

struct SiteServer
{
  SiteAnswers answers;
  AddressLimit *new_connections; // of each address
  struct MHD_Daemon *http;
};

static enum MHD_Result
on_request (void *data, struct MHD_Connection *connection, const char *path, const char *method,
            const char *version, const char *piece, size_t *piece_size, void **state)
{
  const SiteServer *server = data;
  SiteRequest *request = *state;
  enum MHD_Result result;

  if (!request)
    {
      const union MHD_ConnectionInfo *info =
          MHD_get_connection_info (connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
      *state = site_request_new (&server->answers, connection, info->socket_context, method, path,
                                 &result);
      return result;
    }
  if (*piece_size == 0)
    return site_request_answer (request);
  result = site_request_add (request, piece, *piece_size) ? MHD_YES : MHD_NO;
  *piece_size = 0;
  return result;
}

static void
on_request_end (void *data, struct MHD_Connection *connection, void **state,
                enum MHD_RequestTerminationCode code)
{
  g_clear_pointer ((SiteRequest **)state, site_request_free);
}

static void
on_connection (void *data, struct MHD_Connection *connection, void **peer,
               enum MHD_ConnectionNotificationCode code)
{
  const SiteServer *server = data;

  if (code == MHD_CONNECTION_NOTIFY_STARTED)
    {
      const union MHD_ConnectionInfo *fd =
          MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
      const union MHD_ConnectionInfo *address =
          MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
      *peer = site_peer_new (server->answers.peers, fd->connect_fd, address->client_addr);
    }
  else
    site_peer_free (server->answers.peers, *peer);
}

static enum MHD_Result
may_connect (void *data, const struct sockaddr *address, socklen_t size)
{
  const SiteServer *server = data;

  return address_limit_take (server->new_connections, address, g_get_monotonic_time ())
                 && site_peers_may_connect (server->answers.peers, address)
             ? MHD_YES
             : MHD_NO;
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

static gboolean
start (SiteServer *server, const char *certificates, const char *key, const char *ca,
       GError **error)
{
  const Config *config = server->answers.config;
  int fd = site_listen (config->listen_address, config->port, error);

  if (fd < 0)
    return FALSE;
  server->http = MHD_start_daemon (
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME
          | MHD_USE_ERROR_LOG,
      0, may_connect, server, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, log_http, NULL,
      MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_HTTPS_MEM_CERT, certificates,
      MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_HTTPS_MEM_TRUST, ca, MHD_OPTION_HTTPS_PRIORITIES,
      PRIORITIES, MHD_OPTION_THREAD_POOL_SIZE, CLAMP (g_get_num_processors (), 2, THREADS_MAX),
      MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_OF_CONNECTION,
      MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_NOTIFY_COMPLETED,
      on_request_end, NULL, MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL,
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
  if (server->http)
    return TRUE;
  close (fd);
  return fail (error,
               "libmicrohttpd cannot serve the site: see whether host.pem and host-key.pem belong "
               "together");
}

/* Read the certificates and the key, and start.  */
static gboolean
load_and_start (SiteServer *server, const HostIdentity *identity, GError **error)
{
  g_autofree char *certificate = NULL, *key = NULL, *ca = NULL;
  gsize key_size = 0;

  if (!g_file_get_contents (identity->certificate_path, &certificate, NULL, error)
      || !g_file_get_contents (identity->ca_path, &ca, NULL, error)
      || !g_file_get_contents (identity->key_path, &key, &key_size, error))
    return FALSE;
  // Who joins knows the CA's fingerprint and looks for it in the chain.
  g_autofree char *certificates = g_strconcat (certificate, ca, NULL);
  gboolean ok = start (server, certificates, key, ca, error);
  gnutls_memset (key, 0, key_size);
  return ok;
}

static void
every_second (gpointer peers)
{
  site_peers_shut_overdue (peers);
}

SiteServer *
site_server_new (const Config *config, const HostIdentity *identity, const SiteServerCalls *calls,
                 GError **error)
{
  g_autofree char *store_path = config_state_path (config, "store.castr", NULL);
  g_autoptr (SitePeers) peers = site_peers_new (identity, error);
  ChunkStore *store = peers ? chunk_store_open (store_path, error) : NULL;

  if (!store)
    return NULL;
  g_autoptr (SiteServer) server = g_new0 (SiteServer, 1);
  SiteAnswers *answers = &server->answers;
  answers->config = config;
  answers->calls = calls;
  answers->crl_path = g_strdup (identity->crl_path);
  answers->peers = g_steal_pointer (&peers);
  answers->clock = site_clock_new (every_second, answers->peers);
  answers->sender = chunk_sender_new (store, config->upload_limit_bytes, answers->clock, calls);
  answers->joins = address_limit_new (JOINS_RATE, JOINS_BURST);
  server->new_connections = address_limit_new (NEW_CONNECTIONS_RATE, NEW_CONNECTIONS_BURST);
  return load_and_start (server, identity, error) ? g_steal_pointer (&server) : NULL;
}

void
site_server_free (SiteServer *server)
{
  if (!server)
    return;
  SiteAnswers *answers = &server->answers;
  site_clock_stop (answers->clock);
  g_clear_pointer (&server->http, MHD_stop_daemon);
  chunk_sender_unref (answers->sender);
  site_clock_unref (answers->clock);
  address_limit_free (answers->joins);
  address_limit_free (server->new_connections);
  site_peers_free (answers->peers);
  g_free (answers->crl_path);
  g_free (server);
}
