// SPDX-License-Identifier: GPL-2.0-or-later
// This host among the others of its site: what gildd owns of the network, in one.

#include "site-network.h"

#include "admission.h"
#include "profile-fetch.h"
#include "site-server.h"

#define TELL_SECONDS    3  // that a host has for taking the news of a removal
#define FORWARD_SECONDS 14 // that an origin has for a chunk that is fetched for another host

struct SiteNetwork
{
  const Config *config;
  HostIdentity *identity;
  SiteClient *client;
  HostList *list;
  ChunkFetcher *fetcher;
  ProfileFetch *profile_fetch;
  Upkeep *upkeep;
  SiteServerCalls calls;
  SiteServer *server;
  GThreadPool *tellers; // of Host *, that are to be told of the newest revocation list
};

static void
want (gpointer data, const ChunkId *id, gboolean ahead, ChunkFetchedFunc done, gpointer done_data)
{
  SiteNetwork *network = data;

  chunk_fetcher_want (network->fetcher, id, ahead ? FETCH_PROFILE : FETCH_DEMAND, FETCH_ON_BEHALF,
                      FORWARD_SECONDS, done, done_data);
}

void
site_network_expect_boot (SiteNetwork *network, const char *image, guint version)
{
  profile_fetch_add (network->profile_fetch, image, version);
}

static JsonObject *
heartbeat (gpointer data, const char *host, const char *address, JsonObject *body, GError **error)
{
  return upkeep_hear (((SiteNetwork *)data)->upkeep, host, address, body, error);
}

static JsonObject *
join (gpointer data, const char *address, JsonObject *body, GError **error)
{
  return admission_join (((SiteNetwork *)data)->config, address, body, error);
}

static gboolean
take_profile (gpointer data, const char *host, const char *image, guint version, JsonObject *body,
              GError **error)
{
  return profile_exchange_take ((gpointer)((SiteNetwork *)data)->config, host, image, version, body,
                                error);
}

static gboolean
take_crl (gpointer data, const char *pem, gsize size, GError **error)
{
  return admission_take_revocations (((SiteNetwork *)data)->config, pem, size, NULL, error);
}

/* Give HOST the revocation list as it is now.  Who cannot be reached hears of it by a heartbeat. */
static void
tell_revocations (gpointer data, gpointer user_data)
{
  g_autoptr (Host) host = data;
  SiteNetwork *network = user_data;
  g_autoptr (GError) error = NULL;

  if (!site_client_put_file (network->client, host, "/crl.pem", network->identity->crl_path,
                             TELL_SECONDS, &error))
    g_message ("%s is told later who was removed from the site: %s", host->name, error->message);
}

gboolean
site_network_remove_host (SiteNetwork *network, const char *name, GError **error)
{
  if (!admission_remove (network->config, name, error))
    return FALSE;
  g_autoptr (GPtrArray) hosts = host_list_get (network->list);
  for (guint i = 0; i < hosts->len; i++)
    {
      Host *host = hosts->pdata[i];
      if (!g_str_equal (host->name, name))
        g_thread_pool_push (network->tellers, host_ref (host), NULL);
    }
  host_list_remove (network->list, name);
  upkeep_poke (network->upkeep);
  return TRUE;
}

/* The parts that speak to others, in the order in which one needs the other.  */
static gboolean
start_parts (SiteNetwork *network, ProfileOutbox *outbox, GError **error)
{
  g_autofree char *hosts_path = config_state_path (network->config, "site", "hosts.json", NULL);

  network->client = site_client_new (network->identity, error);
  if (!network->client)
    return FALSE;
  network->list = host_list_new (hosts_path, network->identity->name);
  network->fetcher = chunk_fetcher_new (network->config, network->client, network->list, error);
  if (!network->fetcher)
    return FALSE;
  network->profile_fetch =
      profile_fetch_new (network->config, network->client, network->list, network->fetcher);
  network->upkeep = upkeep_start (network->config, network->identity, network->client,
                                  network->list, network->fetcher, outbox, error);
  network->server =
      network->upkeep ? site_server_new (network->config, network->identity, &network->calls, error)
                      : NULL;
  return network->server != NULL;
}

SiteNetwork *
site_network_start (const Config *config, ProfileOutbox *outbox, GError **error)
{
  g_autoptr (HostIdentity) identity = host_identity_load (config, error);

  if (!identity)
    return NULL;
  g_autoptr (SiteNetwork) network = g_new0 (SiteNetwork, 1);
  network->config = config;
  network->identity = g_steal_pointer (&identity);
  network->calls = (SiteServerCalls){ network, want, heartbeat, join, take_profile, take_crl };
  network->tellers = g_thread_pool_new (tell_revocations, network, 8, FALSE, NULL);
  if (!start_parts (network, outbox, error))
    return NULL;
  g_message ("this host is %s, and answers the others of its site at port %u",
             network->identity->name, config->port);
  return g_steal_pointer (&network);
}

/* The server first, since it calls the others; the fetcher after what wants of it.  */
void
site_network_stop (SiteNetwork *network)
{
  if (!network)
    return;
  g_clear_pointer (&network->server, site_server_free);
  g_thread_pool_free (network->tellers, TRUE, TRUE);
  g_clear_pointer (&network->upkeep, upkeep_stop);
  g_clear_pointer (&network->profile_fetch, profile_fetch_free);
  g_clear_pointer (&network->fetcher, chunk_fetcher_free);
  g_clear_pointer (&network->list, host_list_free);
  g_clear_pointer (&network->client, site_client_free);
  host_identity_free (network->identity);
  g_free (network);
}

const char *
site_network_name (const SiteNetwork *network)
{
  return network->identity->name;
}

ChunkFetcher *
site_network_fetcher (const SiteNetwork *network)
{
  return network->fetcher;
}

Upkeep *
site_network_upkeep (const SiteNetwork *network)
{
  return network->upkeep;
}
