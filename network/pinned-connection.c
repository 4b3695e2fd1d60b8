// SPDX-License-Identifier: GPL-2.0-or-later
// A TLS connection to a host of a site of which only the fingerprint of its CA is known.

#include "pinned-connection.h"

#include <errno.h>
#include <gio/gio.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "host-certificate.h"
#include "qcow-backing/chunk-id.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/gnutls-handles.h"

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define CHAIN_MAX  8

struct PinnedConnection
{
  GSocketConnection *connection;
  GSocket *socket; // CONNECTION's
  gint64 deadline; // monotonic microseconds
  gnutls_certificate_credentials_t credentials;
  gnutls_session_t session;
  char *place; // as the user has it, for sentences
  char *host, *address;
  gnutls_x509_crt_t ca;
};

/* Whether there is time left, which the socket then has for one more step.  */
static gboolean
allow_step (PinnedConnection *self)
{
  gint64 left = self->deadline - g_get_monotonic_time ();

  if (left > 0)
    g_socket_set_timeout (self->socket, (guint)(left / G_USEC_PER_SEC) + 1);
  else
    gnutls_transport_set_errno (self->session, ETIMEDOUT);
  return left > 0;
}

/* COUNT, or -1 with errno for GnuTLS where there is an ERROR.  */
static ssize_t
finish_step (PinnedConnection *self, ssize_t count, const GError *error)
{
  if (count < 0)
    gnutls_transport_set_errno (
        self->session,
        g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ? ETIMEDOUT : ECONNRESET);
  return count;
}

static ssize_t
push (gnutls_transport_ptr_t data, const void *bytes, size_t size)
{
  PinnedConnection *self = data;
  g_autoptr (GError) error = NULL;

  if (!allow_step (self))
    return -1;
  return finish_step (self, g_socket_send (self->socket, bytes, size, NULL, &error), error);
}

static ssize_t
pull (gnutls_transport_ptr_t data, void *bytes, size_t size)
{
  PinnedConnection *self = data;
  g_autoptr (GError) error = NULL;

  if (!allow_step (self))
    return -1;
  return finish_step (self, g_socket_receive (self->socket, bytes, size, NULL, &error), error);
}

/* GnuTLS asks before it reads; the pull waits as well as this could.  */
static int
pull_timeout (gnutls_transport_ptr_t data, unsigned int milliseconds)
{
  return 1;
}

static gboolean
fail_unreachable (const PinnedConnection *self, const char *why, GError **error)
{
  return fail_code (
      error, G_IO_ERROR_HOST_UNREACHABLE,
      "no host of a site answers at %s (%s): is it the publisher's address, and does gildd run there?",
      self->place, why);
}

static gboolean
connect_socket (PinnedConnection *self, const char *address, guint port, guint timeout_seconds,
                GError **error)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnectable) place = g_network_address_new (address, (guint16)port);
  g_autoptr (GError) cause = NULL;

  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_set_timeout (client, timeout_seconds);
  self->connection = g_socket_client_connect (client, place, NULL, &cause);
  if (!self->connection)
    return fail_unreachable (self, cause->message, error);
  self->socket = g_socket_connection_get_socket (self->connection);
  g_autoptr (GSocketAddress) peer =
      g_socket_connection_get_remote_address (self->connection, &cause);
  if (!peer)
    return fail_unreachable (self, cause->message, error);
  self->address =
      g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (peer)));
  return TRUE;
}

static gboolean
shake_hands (PinnedConnection *self, GError **error)
{
  int status;

  if ((status = gnutls_certificate_allocate_credentials (&self->credentials)) < 0
      || (status = gnutls_init (&self->session, GNUTLS_CLIENT)) < 0
      || (status = gnutls_priority_set_direct (self->session, PRIORITIES, NULL)) < 0
      || (status =
              gnutls_credentials_set (self->session, GNUTLS_CRD_CERTIFICATE, self->credentials))
             < 0)
    return fail (error, "TLS: %s", gnutls_strerror (status));
  gnutls_transport_set_ptr (self->session, self);
  gnutls_transport_set_push_function (self->session, push);
  gnutls_transport_set_pull_function (self->session, pull);
  gnutls_transport_set_pull_timeout_function (self->session, pull_timeout);
  do
    status = gnutls_handshake (self->session);
  while (status < 0 && !gnutls_error_is_fatal (status));
  return status >= 0 || fail_unreachable (self, gnutls_strerror (status), error);
}

/* The certificate of the peer's chain that has FINGERPRINT.  */
static gboolean
find_ca (PinnedConnection *self, const gnutls_datum_t *chain, guint count,
         const guint8 *fingerprint, GError **error)
{
  for (guint i = 0; i < MIN (count, CHAIN_MAX); i++)
    {
      ChunkId hash = chunk_id_of (chain[i].data, chain[i].size);
      if (memcmp (hash.bytes, fingerprint, sizeof hash.bytes) == 0)
        return (gnutls_x509_crt_init (&self->ca) >= 0
                && gnutls_x509_crt_import (self->ca, &chain[i], GNUTLS_X509_FMT_DER) >= 0)
               || fail (error, "%s: the CA's certificate cannot be read", self->place);
    }
  return fail_code (
      error, G_IO_ERROR_PERMISSION_DENIED,
      "%s is not of the site that the token is for: its CA has another fingerprint; nothing was sent to it",
      self->place);
}

/* Whether the peer is a host of the site whose CA has FINGERPRINT.  */
static gboolean
check_peer (PinnedConnection *self, const guint8 *fingerprint, GError **error)
{
  guint count = 0;
  const gnutls_datum_t *chain = gnutls_certificate_get_peers (self->session, &count);
  g_auto (gnutls_x509_crt_t) certificate = NULL;

  if (!chain || count == 0)
    return fail_unreachable (self, "it has no certificate", error);
  if (!find_ca (self, chain, count, fingerprint, error))
    return FALSE;
  if (gnutls_x509_crt_init (&certificate) < 0
      || gnutls_x509_crt_import (certificate, &chain[0], GNUTLS_X509_FMT_DER) < 0)
    return fail (error, "%s: its certificate cannot be read", self->place);
  gboolean ok = host_certificate_verify (certificate, self->ca, error)
                && (gnutls_x509_crt_check_key_purpose (certificate, GNUTLS_KP_TLS_WWW_SERVER, 0)
                    || host_certificate_fail (GNUTLS_CERT_PURPOSE_MISMATCH, error));
  if (ok)
    self->host = host_certificate_name (certificate, error);
  if (!self->host)
    g_prefix_error (error, "%s: ", self->place);
  return self->host != NULL;
}

PinnedConnection *
pinned_connection_open (const char *address, guint port, const guint8 *fingerprint,
                        guint timeout_seconds, GError **error)
{
  g_autoptr (PinnedConnection) self = g_new0 (PinnedConnection, 1);

  self->deadline = g_get_monotonic_time () + (gint64)timeout_seconds * G_USEC_PER_SEC;
  self->place = g_strdup_printf (strchr (address, ':') ? "[%s]:%u" : "%s:%u", address, port);
  if (connect_socket (self, address, port, timeout_seconds, error) && shake_hands (self, error)
      && check_peer (self, fingerprint, error))
    return g_steal_pointer (&self);
  return NULL;
}

void
pinned_connection_free (PinnedConnection *connection)
{
  if (!connection)
    return;
  if (connection->session)
    gnutls_deinit (connection->session);
  if (connection->credentials)
    gnutls_certificate_free_credentials (connection->credentials);
  gnutls_x509_crt_deinit (connection->ca);
  g_clear_object (&connection->connection);
  g_free (connection->place);
  g_free (connection->host);
  g_free (connection->address);
  g_free (connection);
}

const char *
pinned_connection_host (const PinnedConnection *connection)
{
  return connection->host;
}

const char *
pinned_connection_address (const PinnedConnection *connection)
{
  return connection->address;
}

gnutls_x509_crt_t
pinned_connection_ca (const PinnedConnection *connection)
{
  return connection->ca;
}

gboolean
pinned_connection_send (PinnedConnection *connection, const char *data, gsize size, GError **error)
{
  while (size > 0)
    {
      ssize_t sent = gnutls_record_send (connection->session, data, size);
      if (sent < 0 && gnutls_error_is_fatal ((int)sent))
        return fail (error, "%s: %s", connection->place, gnutls_strerror ((int)sent));
      data += sent > 0 ? sent : 0;
      size -= sent > 0 ? (gsize)sent : 0;
    }
  return TRUE;
}

gssize
pinned_connection_receive (PinnedConnection *connection, char *buffer, gsize size, GError **error)
{
  ssize_t count;

  do
    count = gnutls_record_recv (connection->session, buffer, size);
  while (count < 0 && !gnutls_error_is_fatal ((int)count));
  if (count == GNUTLS_E_PREMATURE_TERMINATION)
    return 0; // who counts on the end to be the end has a length
  if (count < 0)
    fail (error, "%s: %s", connection->place, gnutls_strerror ((int)count));
  return count < 0 ? -1 : count;
}
