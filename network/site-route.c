// SPDX-License-Identifier: GPL-2.0-or-later
// What a request of another host is for, by its method and path.

#include "site-route.h"

#include <string.h>

#include "qcow-backing/chunk-store.h"
#include "qcow-backing/image-name.h"

#define STORE   "/store/"
#define IMAGES  "/images/"
#define RECORD  ".json.sig"
#define PROFILE ".profile"

static const struct
{
  const char *path, *method;
  SiteAction action;
} PLAIN[] = {
  { "/store", "POST", SITE_POST_CHUNKS }, { "/hosts/heartbeat", "POST", SITE_HEARTBEAT },
  { "/crl.pem", "GET", SITE_GET_CRL },    { "/crl.pem", "PUT", SITE_PUT_CRL },
  { "/join", "POST", SITE_JOIN },
};

static SiteAction
parse_plain (const char *method, const char *path)
{
  SiteAction action = SITE_UNKNOWN;

  for (gsize i = 0; i < G_N_ELEMENTS (PLAIN); i++)
    if (g_str_equal (PLAIN[i].path, path))
      {
        if (g_str_equal (PLAIN[i].method, method))
          return PLAIN[i].action;
        action = SITE_WRONG_METHOD;
      }
  return action;
}

/* PATH is what stands behind "/store/": "dca9/dca99f3c….cacnk".  */
static SiteAction
parse_chunk (const char *method, const char *path, ChunkId *id)
{
  const char *slash = strchr (path, '/');

  if (!slash || !chunk_store_parse_name (slash + 1, id))
    return SITE_UNKNOWN;
  char file[CHUNK_FILE_SIZE];
  chunk_store_file (id, file);
  if (!g_str_equal (file, path))
    return SITE_UNKNOWN;
  return g_str_equal (method, "GET") ? SITE_GET_CHUNK : SITE_WRONG_METHOD;
}

/* The number that stands before SUFFIX in FILE.  */
static gboolean
parse_version (const char *file, const char *suffix, guint *version)
{
  if (!g_str_has_suffix (file, suffix))
    return FALSE;
  g_autofree char *number = g_strndup (file, strlen (file) - strlen (suffix));
  return version_parse (number, version, NULL);
}

/* PATH is what stands behind "/images/": "accounting/desktop/7.json.sig".  */
static SiteAction
parse_image (const char *method, const char *path, SiteRoute *route)
{
  const char *slash = strrchr (path, '/');
  g_autofree char *image = slash ? g_strndup (path, (gsize)(slash - path)) : NULL;

  if (!image || !image_name_check (image, NULL))
    return SITE_UNKNOWN;
  gboolean is_profile = parse_version (slash + 1, PROFILE, &route->version);
  if (!is_profile && !parse_version (slash + 1, RECORD, &route->version)
      && !g_str_equal (slash + 1, "channels" RECORD))
    return SITE_UNKNOWN;
  route->image = g_steal_pointer (&image);
  route->file = g_strdup (slash + 1);
  if (g_str_equal (method, "GET"))
    return SITE_GET_RECORD;
  return is_profile && g_str_equal (method, "POST") ? SITE_POST_PROFILE : SITE_WRONG_METHOD;
}

void
site_route_parse (const char *method, const char *path, SiteRoute *route)
{
  if (g_str_equal (method, "HEAD"))
    method = "GET"; // libmicrohttpd leaves out the body
  memset (route, 0, sizeof *route);
  if (g_str_has_prefix (path, STORE))
    route->action = parse_chunk (method, path + strlen (STORE), &route->chunk);
  else if (g_str_has_prefix (path, IMAGES))
    route->action = parse_image (method, path + strlen (IMAGES), route);
  else
    route->action = parse_plain (method, path);
}

void
site_route_clear (SiteRoute *route)
{
  g_clear_pointer (&route->image, g_free);
  g_clear_pointer (&route->file, g_free);
}
