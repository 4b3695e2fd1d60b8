// SPDX-License-Identifier: GPL-2.0-or-later
// What a request of another host is for: nothing that is no chunk, no record and no list.

#include "network/site-route.h"

#define ID "dca99f3c0bc64ba4c5b1b5d0a3a2a4d1c3f0c9e7b7a5f3d1e2c4b6a897867564"

static const struct
{
  const char *method, *path;
  SiteAction action;
} PATHS[] = {
  { "GET", "", SITE_UNKNOWN },
  { "GET", "/", SITE_UNKNOWN },
  { "GET", "/site/ca-key.pem", SITE_UNKNOWN },
  { "GET", "/store", SITE_WRONG_METHOD },
  { "GET", "/store/", SITE_UNKNOWN },
  { "GET", "/store/" ID ".cacnk", SITE_UNKNOWN },
  { "GET", "/store/dca9/" ID, SITE_UNKNOWN },
  { "GET", "/store/dca9/" ID ".cacnk.tmp", SITE_UNKNOWN },
  { "GET", "/store/dca8/" ID ".cacnk", SITE_UNKNOWN },
  { "GET", "/store/dca9//" ID ".cacnk", SITE_UNKNOWN },
  { "GET", "/store/.incoming/" ID ".cacnk", SITE_UNKNOWN },
  { "GET", "/store/../site/ca-key.pem", SITE_UNKNOWN },
  { "GET", "/store/%2e%2e/site/ca-key.pem", SITE_UNKNOWN },
  { "PUT", "/store/dca9/" ID ".cacnk", SITE_WRONG_METHOD },
  { "DELETE", "/store/dca9/" ID ".cacnk", SITE_WRONG_METHOD },
  { "GET", "/images/", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/7.json", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/7.caibx", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/.lock", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/07.json.sig", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/0.json.sig", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/-7.json.sig", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/.json.sig", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/1000000000.json.sig", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/channels.profile", SITE_UNKNOWN },
  { "GET", "/images/demo/../7.json.sig", SITE_UNKNOWN },
  { "GET", "/images/../../7.json.sig", SITE_UNKNOWN },
  { "GET", "/images/demo/desktop/../7.json.sig", SITE_UNKNOWN },
  { "GET", "/images/demo/7.json.sig", SITE_UNKNOWN },
  { "GET", "/images/Demo/desktop/7.json.sig", SITE_UNKNOWN },
  { "POST", "/images/demo/desktop/7.json.sig", SITE_WRONG_METHOD },
  { "POST", "/images/demo/desktop/channels.json.sig", SITE_WRONG_METHOD },
  { "PUT", "/images/demo/desktop/7.profile", SITE_WRONG_METHOD },
  { "GET", "/hosts/heartbeat", SITE_WRONG_METHOD },
  { "POST", "/hosts/heartbeat/", SITE_UNKNOWN },
  { "POST", "/crl.pem", SITE_WRONG_METHOD },
  { "GET", "/join", SITE_WRONG_METHOD },
  { "POST", "/join/", SITE_UNKNOWN },
  { "post", "/join", SITE_WRONG_METHOD },
  { "GET", "/store/dca9/" ID ".cacnk", SITE_GET_CHUNK },
  { "HEAD", "/store/dca9/" ID ".cacnk", SITE_GET_CHUNK },
  { "POST", "/store", SITE_POST_CHUNKS },
  { "GET", "/images/demo/desktop/7.json.sig", SITE_GET_RECORD },
  { "GET", "/images/demo/desktop/7.profile", SITE_GET_RECORD },
  { "GET", "/images/demo/desktop/channels.json.sig", SITE_GET_RECORD },
  { "POST", "/images/demo/desktop/7.profile", SITE_POST_PROFILE },
  { "POST", "/hosts/heartbeat", SITE_HEARTBEAT },
  { "GET", "/crl.pem", SITE_GET_CRL },
  { "HEAD", "/crl.pem", SITE_GET_CRL },
  { "PUT", "/crl.pem", SITE_PUT_CRL },
  { "POST", "/join", SITE_JOIN },
};

static void
test_path (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_auto (SiteRoute) route;

  site_route_parse (PATHS[i].method, PATHS[i].path, &route);
  g_assert_cmpint (route.action, ==, PATHS[i].action);
}

static void
test_values (void)
{
  g_auto (SiteRoute) chunk, record, channels, profile;
  char hex[CHUNK_HEX_SIZE];

  site_route_parse ("GET", "/store/dca9/" ID ".cacnk", &chunk);
  chunk_id_to_hex (&chunk.chunk, hex);
  g_assert_cmpstr (hex, ==, ID);
  site_route_parse ("GET", "/images/demo/desktop/12.json.sig", &record);
  g_assert_cmpstr (record.image, ==, "demo/desktop");
  g_assert_cmpstr (record.file, ==, "12.json.sig");
  g_assert_cmpuint (record.version, ==, 12);
  site_route_parse ("GET", "/images/demo/desktop/channels.json.sig", &channels);
  g_assert_cmpstr (channels.file, ==, "channels.json.sig");
  g_assert_cmpuint (channels.version, ==, 0);
  site_route_parse ("POST", "/images/demo/desktop/999999999.profile", &profile);
  g_assert_cmpstr (profile.file, ==, "999999999.profile");
  g_assert_cmpuint (profile.version, ==, 999999999);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (PATHS); i++)
    {
      g_autofree char *path = g_strdup_printf ("/site-route/path/%" G_GSIZE_FORMAT, i);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_path);
    }
  g_test_add_func ("/site-route/values", test_values);
  return g_test_run ();
}
