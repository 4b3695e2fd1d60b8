// SPDX-License-Identifier: GPL-2.0-or-later
// Who is at the other end of the connections of the site's server, and until when they may be
// there.
#pragma once

#include <gnutls/gnutls.h>
#include <sys/socket.h>

#include "host-identity.h"

typedef struct SitePeers SitePeers;
typedef struct SitePeer SitePeer;

/* The peers of a server that is IDENTITY.  Safe to use from several threads.  */
SitePeers *site_peers_new (const HostIdentity *identity, GError **error);
void site_peers_free (SitePeers *peers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SitePeers, site_peers_free)

/* Whether one more connection from ADDRESS may come: not where many from there are that have shown
   nothing yet.  */
gboolean site_peers_may_connect (SitePeers *peers, const struct sockaddr *address);

/* The connection FD from ADDRESS, which is shut when it has not shown a certificate of the site and
   a whole request in some seconds.  A peer is its connection's thread's.  */
SitePeer *site_peer_new (SitePeers *peers, int fd, const struct sockaddr *address);

/* Before FD is closed.  */
void site_peer_free (SitePeers *peers, SitePeer *peer);

/* Whether the certificate that PEER has shown in SESSION is of the site, and was not revoked.  What
   was found is relied on for a minute, unless the list of revoked certificates changes.  The error
   is G_IO_ERROR_PERMISSION_DENIED.  */
gboolean site_peer_check (SitePeers *peers, SitePeer *peer, gnutls_session_t session,
                          GError **error);

/* The name of the host; NULL before it was checked.  */
const char *site_peer_host (const SitePeer *peer);

/* The address it comes from, as text.  */
const char *site_peer_address (const SitePeer *peer);

/* Shut the connection of PEER, whose host is known, in SECONDS, if not set anew before; 0: never.
 */
void site_peer_allow (SitePeers *peers, SitePeer *peer, guint seconds);

/* Shut the connections that are past their time.  */
void site_peers_shut_overdue (SitePeers *peers);
