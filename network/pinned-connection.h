// SPDX-License-Identifier: GPL-2.0-or-later
// A TLS connection to a host of a site of which only the fingerprint of its CA is known.
//
// That is who joins: the server sends the CA's certificate behind its own, and before a byte is
// sent to it, that one has to have the fingerprint, and has to have signed the server's.
#pragma once

#include <gnutls/x509.h>

#include <glib.h>

typedef struct PinnedConnection PinnedConnection;

/* Connect to ADDRESS, a name or an IP address; FINGERPRINT is the SHA-256 of the CA's certificate,
   32 bytes.  All of it, to the last byte received, may take TIMEOUT_SECONDS.  Fails with
   G_IO_ERROR_PERMISSION_DENIED where it is another site's host.  */
PinnedConnection *pinned_connection_open (const char *address, guint port,
                                          const guint8 *fingerprint, guint timeout_seconds,
                                          GError **error);
void pinned_connection_free (PinnedConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PinnedConnection, pinned_connection_free)

/* The name of the host at the other end, its numeric address, the CA's certificate.  */
const char *pinned_connection_host (const PinnedConnection *connection);
const char *pinned_connection_address (const PinnedConnection *connection);
gnutls_x509_crt_t pinned_connection_ca (const PinnedConnection *connection);

gboolean pinned_connection_send (PinnedConnection *connection, const char *data, gsize size,
                                 GError **error);

/* Up to SIZE bytes into BUFFER; 0 at the connection's end, -1 on error.  */
gssize pinned_connection_receive (PinnedConnection *connection, char *buffer, gsize size,
                                  GError **error);
