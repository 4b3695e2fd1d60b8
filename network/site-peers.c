// SPDX-License-Identifier: GPL-2.0-or-later
// Who is at the other end of the connections of the site's server, and until when they may be
// there.

#include "site-peers.h"

#include <string.h>
#include <sys/stat.h>

#include "address-limit.h"
#include "revocation-check.h"

#define STRANGER_SECONDS 20 // for handshake and joining
#define CHECKED_SECONDS  60
#define STRANGERS_MAX    64 // of one address at a time

struct SitePeers
{
  char *crl_path;
  RevocationCheck *check;
  GMutex lock; // guards list, and is_stranger and due_us of each
  GQueue list; // of SitePeer
};

struct SitePeer
{
  GList link;
  int fd;
  char *address;
  guint64 address_key;
  gboolean is_stranger; // has not been allowed anything
  gint64 due_us;        // when it is shut; 0: never
  char *host;           // NULL: not checked
  gint64 checked_us;    // when it was
  struct stat crl;      // the list that it was checked against; all zero: none
};

SitePeers *
site_peers_new (const HostIdentity *identity, GError **error)
{
  RevocationCheck *check = revocation_check_new (identity->ca_path, identity->crl_path, error);

  if (!check)
    return NULL;
  SitePeers *peers = g_new0 (SitePeers, 1);
  peers->crl_path = g_strdup (identity->crl_path);
  peers->check = check;
  g_mutex_init (&peers->lock);
  g_queue_init (&peers->list);
  return peers;
}

void
site_peers_free (SitePeers *peers)
{
  if (!peers)
    return;
  g_mutex_clear (&peers->lock);
  revocation_check_free (peers->check);
  g_free (peers->crl_path);
  g_free (peers);
}

gboolean
site_peers_may_connect (SitePeers *peers, const struct sockaddr *address)
{
  guint64 key = address_key (address);
  guint n_strangers = 0;

  g_mutex_lock (&peers->lock);
  for (GList *link = peers->list.head; link; link = link->next)
    {
      const SitePeer *peer = link->data;
      n_strangers += peer->is_stranger && peer->address_key == key;
    }
  g_mutex_unlock (&peers->lock);
  return n_strangers < STRANGERS_MAX;
}

SitePeer *
site_peer_new (SitePeers *peers, int fd, const struct sockaddr *address)
{
  SitePeer *peer = g_new0 (SitePeer, 1);

  peer->link.data = peer;
  peer->fd = fd;
  peer->address = address_to_text (address);
  peer->address_key = address_key (address);
  peer->is_stranger = TRUE;
  peer->due_us = g_get_monotonic_time () + STRANGER_SECONDS * G_USEC_PER_SEC;
  g_mutex_lock (&peers->lock);
  g_queue_push_tail_link (&peers->list, &peer->link);
  g_mutex_unlock (&peers->lock);
  return peer;
}

void
site_peer_free (SitePeers *peers, SitePeer *peer)
{
  g_mutex_lock (&peers->lock);
  g_queue_unlink (&peers->list, &peer->link);
  g_mutex_unlock (&peers->lock);
  g_free (peer->address);
  g_free (peer->host);
  g_free (peer);
}

static gboolean
is_same_file (const struct stat *a, const struct stat *b)
{
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size
         && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

gboolean
site_peer_check (SitePeers *peers, SitePeer *peer, gnutls_session_t session, GError **error)
{
  gint64 now_us = g_get_monotonic_time ();
  struct stat crl;

  if (stat (peers->crl_path, &crl) < 0)
    memset (&crl, 0, sizeof crl);
  // To verify a certificate takes longer than to read a chunk.
  if (peer->host && is_same_file (&crl, &peer->crl)
      && now_us - peer->checked_us < CHECKED_SECONDS * G_USEC_PER_SEC)
    return TRUE;
  g_clear_pointer (&peer->host, g_free);
  peer->crl = crl;
  peer->checked_us = now_us;
  return revocation_check_peer (peers->check, session, &peer->host, error);
}

const char *
site_peer_host (const SitePeer *peer)
{
  return peer->host;
}

const char *
site_peer_address (const SitePeer *peer)
{
  return peer->address;
}

void
site_peer_allow (SitePeers *peers, SitePeer *peer, guint seconds)
{
  if (!peer->host)
    return;
  g_mutex_lock (&peers->lock);
  peer->is_stranger = FALSE;
  peer->due_us = seconds > 0 ? g_get_monotonic_time () + seconds * G_USEC_PER_SEC : 0;
  g_mutex_unlock (&peers->lock);
}

void
site_peers_shut_overdue (SitePeers *peers)
{
  gint64 now_us = g_get_monotonic_time ();

  g_mutex_lock (&peers->lock);
  for (GList *link = peers->list.head; link; link = link->next)
    {
      SitePeer *peer = link->data;
      if (peer->due_us != 0 && peer->due_us <= now_us)
        shutdown (peer->fd, SHUT_RDWR); // libmicrohttpd finds it so and closes it
    }
  g_mutex_unlock (&peers->lock);
}
