// SPDX-License-Identifier: GPL-2.0-or-later
// A host of the site, as other hosts know it.

#include "host.h"

#include <string.h>

#include "host-certificate.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"

#define ADDRESS_SIZE_MAX 64
#define REF_SIZE_MAX     200
#define SEEN_SECONDS_MAX (G_GUINT64_CONSTANT (100) * 366 * 24 * 3600)

HostVersion *
host_version_new (const char *ref, guint64 missing_bytes)
{
  HostVersion *version = g_new (HostVersion, 1);

  *version = (HostVersion){ g_strdup (ref), missing_bytes };
  return version;
}

void
host_version_free (HostVersion *version)
{
  g_free (version->ref);
  g_free (version);
}

Host *
host_new (const char *name, const char *address, guint port)
{
  Host *host = g_new0 (Host, 1);

  g_atomic_ref_count_init (&host->references);
  host->name = g_strdup (name);
  host->address = g_strdup (address);
  host->port = port;
  host->seen_us = HOST_NEVER_SEEN;
  host->versions = g_ptr_array_new_with_free_func ((GDestroyNotify)host_version_free);
  host->desktops = g_new0 (char *, 1);
  host->running = g_new0 (char *, 1);
  return host;
}

Host *
host_ref (Host *host)
{
  g_atomic_ref_count_inc (&host->references);
  return host;
}

void
host_unref (Host *host)
{
  if (!host || !g_atomic_ref_count_dec (&host->references))
    return;
  g_free (host->name);
  g_free (host->address);
  g_ptr_array_unref (host->versions);
  g_strfreev (host->desktops);
  g_strfreev (host->running);
  g_free (host);
}

/* HOST anew; its versions are not changed, so they are shared.  */
static Host *
copy (const Host *host)
{
  Host *copied = host_new (host->name, host->address, host->port);

  copied->is_origin = host->is_origin;
  copied->is_publisher = host->is_publisher;
  copied->seen_us = host->seen_us;
  g_ptr_array_unref (copied->versions);
  copied->versions = g_ptr_array_ref (host->versions);
  g_strfreev (copied->desktops);
  copied->desktops = g_strdupv (host->desktops);
  g_strfreev (copied->running);
  copied->running = g_strdupv (host->running);
  return copied;
}

Host *
host_with_address (const Host *host, const char *address, guint port)
{
  Host *copied = copy (host);

  g_free (copied->address);
  copied->address = g_strdup (address);
  copied->port = port;
  return copied;
}

Host *
host_with_seen (const Host *host, gint64 seen_us)
{
  Host *copied = copy (host);

  copied->seen_us = seen_us;
  return copied;
}

gboolean
host_is_live (const Host *host, gint64 now_us)
{
  return host->seen_us != HOST_NEVER_SEEN
         && now_us - host->seen_us <= (gint64)HOST_LIVE_SECONDS * G_USEC_PER_SEC;
}

gboolean
host_has_complete_version (const Host *host)
{
  for (guint i = 0; i < host->versions->len; i++)
    if (((const HostVersion *)host->versions->pdata[i])->missing_bytes == 0)
      return TRUE;
  return FALSE;
}

gboolean
host_may_tell_of (const Host *speaker, const char *name)
{
  return speaker->is_origin || g_str_equal (speaker->name, name);
}

gboolean
host_reached_alike (const Host *a, const Host *b)
{
  return g_strcmp0 (a->address, b->address) == 0 && a->port == b->port
         && a->is_origin == b->is_origin && a->is_publisher == b->is_publisher;
}

gboolean
host_holds_alike (const Host *a, const Host *b)
{
  if (a->versions->len != b->versions->len
      || !g_strv_equal ((const char *const *)a->desktops, (const char *const *)b->desktops)
      || !g_strv_equal ((const char *const *)a->running, (const char *const *)b->running))
    return FALSE;
  for (guint i = 0; i < a->versions->len; i++)
    {
      const HostVersion *x = a->versions->pdata[i], *y = b->versions->pdata[i];
      if (!g_str_equal (x->ref, y->ref) || x->missing_bytes != y->missing_bytes)
        return FALSE;
    }
  return TRUE;
}

static JsonArray *
strings_to_json (char *const *strings)
{
  JsonArray *array = json_array_new ();

  for (gsize i = 0; strings[i]; i++)
    json_array_add_string_element (array, strings[i]);
  return array;
}

JsonObject *
host_to_json (const Host *host, gint64 now_us)
{
  JsonObject *object = json_object_new ();
  JsonArray *versions = json_array_new ();

  json_object_set_string_member (object, "name", host->name);
  if (host->address)
    json_object_set_string_member (object, "address", host->address);
  else
    json_object_set_null_member (object, "address");
  json_object_set_int_member (object, "port", host->port);
  json_object_set_boolean_member (object, "origin", host->is_origin);
  json_object_set_boolean_member (object, "publisher", host->is_publisher);
  if (host->seen_us == HOST_NEVER_SEEN)
    json_object_set_null_member (object, "seen");
  else
    json_object_set_int_member (object, "seen", MAX (0, now_us - host->seen_us) / G_USEC_PER_SEC);
  for (guint i = 0; i < host->versions->len; i++)
    {
      const HostVersion *version = host->versions->pdata[i];
      JsonObject *entry = json_object_new ();
      json_object_set_string_member (entry, "ref", version->ref);
      json_object_set_int_member (entry, "missing", (gint64)version->missing_bytes);
      json_array_add_object_element (versions, entry);
    }
  json_object_set_array_member (object, "versions", versions);
  json_object_set_array_member (object, "desktops", strings_to_json (host->desktops));
  json_object_set_array_member (object, "running", strings_to_json (host->running));
  return object;
}

/* Whether TEXT is IMAGE@VERSION.  */
static gboolean
check_ref (const char *text, GError **error)
{
  g_autofree char *image = NULL;
  guint version;

  return image_ref_parse (text, &image, &version, error)
         && (version > 0 || fail (error, "\"ref\" is '%s', and must name a version", text));
}

static int
compare_versions (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const HostVersion *const *)a)->ref, (*(const HostVersion *const *)b)->ref);
}

static gboolean
read_versions (Host *host, JsonObject *object, GError **error)
{
  if (!json_object_has_member (object, "versions"))
    return TRUE;
  JsonArray *array = json_read_array (object, "versions", HOST_VERSIONS_MAX, error);
  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      JsonObject *entry = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      if (!entry)
        return fail (error, "\"versions\" has something else than objects");
      const char *ref = json_read_string (entry, "ref", REF_SIZE_MAX, error);
      guint64 missing;
      if (!ref || !check_ref (ref, error)
          || !json_read_uint (entry, "missing", 0, G_MAXINT64, &missing, error))
        return FALSE;
      g_ptr_array_add (host->versions, host_version_new (ref, missing));
    }
  g_ptr_array_sort (host->versions, compare_versions);
  return array != NULL;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* The strings of MEMBER, all of which CHECK takes, sorted, in place of *STRINGS; where there is no
   such member, they stay.  */
static gboolean
read_strings (JsonObject *object, const char *member, guint max,
              gboolean (*check) (const char *text, GError **error), char ***strings, GError **error)
{
  g_autoptr (GPtrArray) read = g_ptr_array_new_with_free_func (g_free);

  if (!json_object_has_member (object, member))
    return TRUE;
  JsonArray *array = json_read_array (object, member, max, error);
  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      const char *text =
          json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
      if (!text)
        return fail (error, "\"%s\" has something else than names", member);
      if (!check (text, error))
        return FALSE;
      g_ptr_array_add (read, g_strdup (text));
    }
  if (!array)
    return FALSE;
  g_ptr_array_sort (read, compare_names);
  g_ptr_array_add (read, NULL);
  g_strfreev (*strings);
  *strings = (char **)g_ptr_array_free (g_steal_pointer (&read), FALSE);
  return TRUE;
}

static gboolean
read_flag (JsonObject *object, const char *member, gboolean *value, GError **error)
{
  JsonNode *node = json_object_get_member (object, member);

  if (!node || json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return fail (error, "\"%s\" is not true or false", member);
  *value = json_node_get_boolean (node);
  return TRUE;
}

static gboolean
read_seen (Host *host, JsonObject *object, gint64 now_us, GError **error)
{
  JsonNode *node = json_object_get_member (object, "seen");
  guint64 seconds;

  if (node && JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!json_read_uint (object, "seen", 0, SEEN_SECONDS_MAX, &seconds, error))
    return FALSE;
  host->seen_us = now_us - (gint64)seconds * G_USEC_PER_SEC;
  return TRUE;
}

static gboolean
read_roles_and_holdings (Host *host, JsonObject *object, GError **error)
{
  return read_flag (object, "origin", &host->is_origin, error)
         && read_flag (object, "publisher", &host->is_publisher, error)
         && read_versions (host, object, error)
         && read_strings (object, "desktops", HOST_DESKTOPS_MAX, desktop_name_check,
                          &host->desktops, error)
         && read_strings (object, "running", HOST_VERSIONS_MAX, check_ref, &host->running, error);
}

char *
host_address_normalise (const char *address)
{
  g_autoptr (GInetAddress) parsed = g_inet_address_new_from_string (address);
  static const guint8 MAPPED[12] = { [10] = 0xff, [11] = 0xff };

  if (!parsed)
    return NULL;
  const guint8 *bytes = g_inet_address_to_bytes (parsed);
  if (g_inet_address_get_family (parsed) == G_SOCKET_FAMILY_IPV6
      && memcmp (bytes, MAPPED, sizeof MAPPED) == 0)
    {
      g_autoptr (GInetAddress) inner =
          g_inet_address_new_from_bytes (bytes + sizeof MAPPED, G_SOCKET_FAMILY_IPV4);
      return g_inet_address_to_string (inner);
    }
  return g_inet_address_to_string (parsed);
}

/* The address of OBJECT, or OWN_ADDRESS where it tells none; owned by the caller.  */
static char *
read_address (JsonObject *object, const char *own_address, GError **error)
{
  JsonNode *node = json_object_get_member (object, "address");

  if (own_address && node && JSON_NODE_HOLDS_NULL (node))
    return g_strdup (own_address);
  const char *text = json_read_string (object, "address", ADDRESS_SIZE_MAX, error);
  char *address = text ? host_address_normalise (text) : NULL;
  if (text && !address)
    fail (error, "\"address\" is '%s', and must be a numeric address", text);
  return address;
}

Host *
host_from_json (JsonObject *object, const char *own_address, gint64 now_us, GError **error)
{
  const char *name = json_read_string (object, "name", HOST_NAME_SIZE_MAX, error);
  guint64 port;

  if (!name || !host_name_check (name, error)
      || !json_read_uint (object, "port", 1, G_MAXUINT16, &port, error))
    return NULL;
  g_autofree char *address = read_address (object, own_address, error);
  if (!address)
    return NULL;
  g_autoptr (Host) host = host_new (name, address, (guint)port);
  if (!read_seen (host, object, now_us, error) || !read_roles_and_holdings (host, object, error))
    return NULL;
  return g_steal_pointer (&host);
}

Host *
host_from_heartbeat (const char *name, const char *address, JsonObject *object, gint64 now_us,
                     GError **error)
{
  g_autofree char *normal = host_address_normalise (address);
  guint64 port;

  if (!host_name_check (name, error)
      || !json_read_uint (object, "port", 1, G_MAXUINT16, &port, error))
    return NULL;
  if (!normal)
    {
      fail (error, "'%s' is not a numeric address", address);
      return NULL;
    }
  g_autoptr (Host) host = host_new (name, normal, (guint)port);
  host->seen_us = now_us;
  return read_roles_and_holdings (host, object, error) ? g_steal_pointer (&host) : NULL;
}
