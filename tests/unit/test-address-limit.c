// SPDX-License-Identifier: GPL-2.0-or-later
// Token buckets, and one for each address.

#include <arpa/inet.h>
#include <string.h>

#include "network/address-limit.h"
#include "network/token-bucket.h"

#define SECOND G_USEC_PER_SEC

static void
test_bucket (void)
{
  TokenBucket bucket;

  token_bucket_init (&bucket, 10, 3, 100 * SECOND);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (token_bucket_take (&bucket, 1, 100 * SECOND), ==, 0);
  gint64 wait_us = token_bucket_take (&bucket, 1, 100 * SECOND);
  g_assert_cmpint (wait_us, ==, 1);
  g_assert_cmpint (token_bucket_take (&bucket, 1, 100 * SECOND + wait_us), ==, 0);
  wait_us = token_bucket_take (&bucket, 1, 100 * SECOND + wait_us);
  g_assert_cmpint (wait_us, >, SECOND / 10 - 10);
  g_assert_cmpint (wait_us, <=, SECOND / 10);
  g_assert_false (token_bucket_is_full (&bucket, 100 * SECOND));
  g_assert_true (token_bucket_is_full (&bucket, 101 * SECOND));
}

/* One who takes more than there is pays by waiting; in the long run the rate holds.  */
static void
test_rate (void)
{
  const guint64 rate = 1000000, record = 66000;
  TokenBucket bucket;
  gint64 now_us = 7 * SECOND;
  guint64 sent = 0;

  token_bucket_init (&bucket, rate, 131072, now_us);
  while (now_us < 17 * SECOND)
    {
      gint64 wait_us = token_bucket_take (&bucket, record, now_us);
      now_us += wait_us;
      if (wait_us == 0)
        sent += record;
    }
  g_assert_cmpuint (sent, >=, 10 * rate);
  g_assert_cmpuint (sent, <=, 10 * rate + 131072 + record);
}

/* The largest there can be, a year asleep, and a clock that stands.  */
static void
test_extremes (void)
{
  TokenBucket bucket;

  token_bucket_init (&bucket, G_GUINT64_CONSTANT (1) << 40, G_GUINT64_CONSTANT (1) << 40, 0);
  g_assert_cmpint (token_bucket_take (&bucket, G_GUINT64_CONSTANT (1) << 40, 0), ==, 0);
  g_assert_cmpint (token_bucket_take (&bucket, 1, 0), ==, 1);
  g_assert_cmpint (token_bucket_take (&bucket, 1, (gint64)365 * 86400 * SECOND), ==, 0);
  token_bucket_init (&bucket, 1, 1, SECOND);
  g_assert_cmpint (token_bucket_take (&bucket, G_GUINT64_CONSTANT (1) << 40, SECOND), ==, 0);
  g_assert_cmpint (token_bucket_take (&bucket, 1, 0), >, SECOND);
}

static struct sockaddr_storage
address (const char *text)
{
  struct sockaddr_storage storage = { 0 };
  struct sockaddr_in *ipv4 = (struct sockaddr_in *)&storage;
  struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&storage;

  storage.ss_family = strchr (text, ':') ? AF_INET6 : AF_INET;
  if (storage.ss_family == AF_INET)
    g_assert_cmpint (inet_pton (AF_INET, text, &ipv4->sin_addr), ==, 1);
  else
    g_assert_cmpint (inet_pton (AF_INET6, text, &ipv6->sin6_addr), ==, 1);
  return storage;
}

static gboolean
take (AddressLimit *limit, const char *text, gint64 now_us)
{
  struct sockaddr_storage storage = address (text);

  return address_limit_take (limit, (struct sockaddr *)&storage, now_us);
}

static void
test_addresses (void)
{
  g_autoptr (AddressLimit) limit = address_limit_new (1, 2);

  g_assert_true (take (limit, "192.0.2.1", SECOND));
  g_assert_true (take (limit, "::ffff:192.0.2.1", SECOND));
  g_assert_false (take (limit, "192.0.2.1", SECOND));
  g_assert_true (take (limit, "192.0.2.2", SECOND));
  g_assert_true (take (limit, "2001:db8::1", SECOND));
  g_assert_true (take (limit, "2001:db8::2:1", SECOND));
  g_assert_false (take (limit, "2001:db8::3", SECOND));
  g_assert_true (take (limit, "2001:db8:0:1::3", SECOND));
  g_assert_true (take (limit, "192.0.2.1", 3 * SECOND));
}

/* More addresses than it remembers: who is new is let in.  */
static void
test_many_addresses (void)
{
  g_autoptr (AddressLimit) limit = address_limit_new (1, 1);

  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *text = g_strdup_printf ("10.0.%u.%u", i / 256, i % 256);
      g_assert_true (take (limit, text, SECOND));
    }
}

static void
test_text (void)
{
  static const char *TEXTS[][2] = {
    { "192.0.2.1", "192.0.2.1" },
    { "::ffff:192.0.2.1", "192.0.2.1" },
    { "2001:db8::1", "2001:db8::1" },
    { "::1", "::1" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (TEXTS); i++)
    {
      struct sockaddr_storage storage = address (TEXTS[i][0]);
      g_autofree char *text = address_to_text ((struct sockaddr *)&storage);
      g_assert_cmpstr (text, ==, TEXTS[i][1]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/token-bucket/burst", test_bucket);
  g_test_add_func ("/token-bucket/rate", test_rate);
  g_test_add_func ("/token-bucket/extremes", test_extremes);
  g_test_add_func ("/address-limit/addresses", test_addresses);
  g_test_add_func ("/address-limit/many-addresses", test_many_addresses);
  g_test_add_func ("/address-limit/text", test_text);
  return g_test_run ();
}
