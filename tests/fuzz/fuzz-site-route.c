// SPDX-License-Identifier: GPL-2.0-or-later
// What another host asks for, "METHOD PATH": nothing that leads out of the store or an image.
#include "fuzz.h"

#include <string.h>

#include "network/site-route.h"
#include "qcow-backing/chunk-store.h"
#include "qcow-backing/image-name.h"

/* What a route for an image says can be put into a path.  */
static void
check_image (const SiteRoute *route, const char *path)
{
  g_autofree char *whole = g_strdup_printf ("/images/%s/%s", route->image, route->file);

  g_assert_true (image_name_check (route->image, NULL));
  g_assert_null (strchr (route->file, '/'));
  g_assert_true (g_ascii_isalnum (route->file[0]));
  g_assert_cmpstr (whole, ==, path);
}

static void
check_chunk (const SiteRoute *route, const char *path)
{
  char file[CHUNK_FILE_SIZE];

  chunk_store_file (&route->chunk, file);
  g_assert_true (g_str_has_suffix (path, file));
  g_assert_cmpuint (strlen (path), ==, strlen ("/store/") + strlen (file));
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  char *path = strchr (g_strchomp (text), ' ');
  g_auto (SiteRoute) route = { 0 };

  if (!path)
    return FALSE;
  *path++ = '\0';
  site_route_parse (text, path, &route);
  if (route.action == SITE_GET_RECORD || route.action == SITE_POST_PROFILE)
    check_image (&route, path);
  if (route.action == SITE_GET_CHUNK)
    check_chunk (&route, path);
  return route.action != SITE_UNKNOWN && route.action != SITE_WRONG_METHOD;
}
