// SPDX-License-Identifier: GPL-2.0-or-later
// How often each address may do something.

#include "address-limit.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "token-bucket.h"

#define ADDRESSES_MAX 4096u

struct AddressLimit
{
  guint rate, burst;
  GMutex lock;
  GHashTable *buckets; // of guint64, an address or the first half of one, to TokenBucket
};

AddressLimit *
address_limit_new (guint rate, guint burst)
{
  AddressLimit *limit = g_new0 (AddressLimit, 1);

  limit->rate = rate;
  limit->burst = burst;
  g_mutex_init (&limit->lock);
  limit->buckets = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  return limit;
}

void
address_limit_free (AddressLimit *limit)
{
  if (!limit)
    return;
  g_hash_table_unref (limit->buckets);
  g_mutex_clear (&limit->lock);
  g_free (limit);
}

/* Make *IPV4 the IPv4 address that ADDRESS is, also as one of IPv6.  */
static gboolean
find_ipv4 (const struct sockaddr *address, struct sockaddr_in *ipv4)
{
  const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)(gconstpointer)address;

  if (address->sa_family == AF_INET)
    memcpy (ipv4, address, sizeof *ipv4);
  else if (address->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED (&ipv6->sin6_addr))
    return FALSE;
  else
    {
      memset (ipv4, 0, sizeof *ipv4);
      ipv4->sin_family = AF_INET;
      ipv4->sin_port = ipv6->sin6_port;
      memcpy (&ipv4->sin_addr, ipv6->sin6_addr.s6_addr + 12, sizeof ipv4->sin_addr);
    }
  return TRUE;
}

guint64
address_key (const struct sockaddr *address)
{
  struct sockaddr_in ipv4;
  guint64 key = 0;

  if (find_ipv4 (address, &ipv4))
    memcpy (&key, &ipv4.sin_addr, sizeof ipv4.sin_addr);
  else if (address->sa_family == AF_INET6)
    memcpy (&key, ((const struct sockaddr_in6 *)(gconstpointer)address)->sin6_addr.s6_addr,
            sizeof key);
  return key;
}

static gboolean
is_forgettable (gpointer key, gpointer bucket, gpointer now_us)
{
  return token_bucket_is_full (bucket, *(gint64 *)now_us);
}

/* Make room for one more.  Where thousands of addresses are busy, what they did is forgotten: that
   is better than to shut out whoever comes next.  */
static void
make_room (AddressLimit *limit, gint64 now_us)
{
  if (g_hash_table_size (limit->buckets) < ADDRESSES_MAX)
    return;
  g_hash_table_foreach_remove (limit->buckets, is_forgettable, &now_us);
  if (g_hash_table_size (limit->buckets) >= ADDRESSES_MAX)
    g_hash_table_remove_all (limit->buckets);
}

gboolean
address_limit_take (AddressLimit *limit, const struct sockaddr *address, gint64 now_us)
{
  guint64 key = address_key (address);

  g_mutex_lock (&limit->lock);
  TokenBucket *bucket = g_hash_table_lookup (limit->buckets, &key);
  if (!bucket)
    {
      make_room (limit, now_us);
      bucket = g_new (TokenBucket, 1);
      token_bucket_init (bucket, limit->rate, limit->burst, now_us);
      g_hash_table_insert (limit->buckets, g_memdup2 (&key, sizeof key), bucket);
    }
  gboolean may = token_bucket_take (bucket, 1, now_us) == 0;
  g_mutex_unlock (&limit->lock);
  return may;
}

char *
address_to_text (const struct sockaddr *address)
{
  char text[NI_MAXHOST] = "?";
  struct sockaddr_in ipv4;

  if (find_ipv4 (address, &ipv4))
    getnameinfo ((struct sockaddr *)&ipv4, sizeof ipv4, text, sizeof text, NULL, 0, NI_NUMERICHOST);
  else if (address->sa_family == AF_INET6)
    getnameinfo (address, sizeof (struct sockaddr_in6), text, sizeof text, NULL, 0, NI_NUMERICHOST);
  return g_strdup (text);
}
