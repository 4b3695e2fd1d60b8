// SPDX-License-Identifier: GPL-2.0-or-later
// The hosts of the site that this one knows: from what origins answer to its heartbeats, and on an
// origin from what others' heartbeats say.

#include "host-list.h"

#include <string.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/utc-date.h"

#define DATE_SIZE_MAX 40
#define NEWS_SECONDS  60 // that the news of a removal may take to reach every origin

struct HostList
{
  char *path, *own_name;
  GMutex lock;         // guards what follows
  GHashTable *hosts;   // name, owned by the host -> Host *
  GHashTable *removed; // name -> gint64 *, when it was
  GHashTable *unnamed; // set of names: they lived when a publisher did not name them
  HostListGeneration generation;
  HostListGeneration saved; // that the file has
  gint64 saved_us;
  gint64 next_transition_us; // when the next live host will be none, if nothing is heard of it
};

/* Count it if a host is not live any more by NOW_US, forget it if a publisher did not name it, and
   note when the next one will not be; LOCK is held.  If something was heard of that host since, one
   is counted too many.  */
static void
find_next_transition (HostList *list, gint64 now_us)
{
  GHashTableIter iter;
  gpointer host;

  if (now_us > list->next_transition_us)
    list->generation.reach++;
  list->next_transition_us = G_MAXINT64;
  g_hash_table_iter_init (&iter, list->hosts);
  while (g_hash_table_iter_next (&iter, NULL, &host))
    if (host_is_live (host, now_us))
      list->next_transition_us =
          MIN (list->next_transition_us,
               ((Host *)host)->seen_us + (gint64)HOST_LIVE_SECONDS * G_USEC_PER_SEC);
    else if (g_hash_table_contains (list->unnamed, ((Host *)host)->name))
      g_hash_table_iter_remove (&iter);
}

/* Put HOST, which is taken over, into the table; LOCK is held.  */
static void
store (HostList *list, Host *host, gint64 now_us)
{
  const Host *old = g_hash_table_lookup (list->hosts, host->name);

  if (!old || !host_reached_alike (old, host)
      || host_is_live (old, now_us) != host_is_live (host, now_us))
    list->generation.reach++;
  if (!old || !host_holds_alike (old, host))
    list->generation.holdings++;
  g_hash_table_replace (list->hosts, host->name, host);
}

static void
forget (HostList *list, const char *name)
{
  if (g_hash_table_remove (list->hosts, name))
    list->generation.reach++;
}

/* The array of hosts in OBJECT, which were written at WRITTEN_US by SPEAKER; NULL: nobody.  */
static GPtrArray *
read_hosts (JsonObject *object, const Host *speaker, gint64 written_us, GError **error)
{
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func ((GDestroyNotify)host_unref);
  JsonArray *array = json_read_array (object, "hosts", HOSTS_MAX, error);

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      JsonObject *entry = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      if (!entry)
        {
          fail (error, "\"hosts\" has something else than objects");
          return NULL;
        }
      Host *host = host_from_json (entry, speaker ? speaker->address : NULL, written_us, error);
      if (!host)
        return NULL;
      g_ptr_array_add (hosts, host);
    }
  return array ? g_steal_pointer (&hosts) : NULL;
}

/* How long ago OBJECT was written, in microseconds; long, where the clock was set back since.  */
static gboolean
read_age (JsonObject *object, gint64 *age_us, GError **error)
{
  const char *text = json_read_string (object, "written", DATE_SIZE_MAX, error);
  g_autoptr (GDateTime) written = text ? g_date_time_new_from_iso8601 (text, NULL) : NULL;
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();

  if (text && !written)
    fail (error, "\"written\" is no date");
  if (!written)
    return FALSE;
  *age_us = g_date_time_difference (now, written);
  if (*age_us < 0)
    *age_us = (gint64)(HOST_LIVE_SECONDS + 1) * G_USEC_PER_SEC;
  return TRUE;
}

static gboolean
load (HostList *list, const char *text, gsize size, GError **error)
{
  g_autoptr (JsonNode) root = json_read_object (text, size, HOST_LIST_FORMAT, error);
  JsonObject *object = root ? json_node_get_object (root) : NULL;
  gint64 age_us, now_us = g_get_monotonic_time ();

  if (!object || !read_age (object, &age_us, error))
    return FALSE;
  g_autoptr (GPtrArray) hosts = read_hosts (object, NULL, now_us - age_us, error);
  for (guint i = 0; hosts && i < hosts->len; i++)
    if (!g_str_equal (((Host *)hosts->pdata[i])->name, list->own_name))
      store (list, host_ref (hosts->pdata[i]), now_us);
  find_next_transition (list, now_us);
  return hosts != NULL;
}

HostList *
host_list_new (const char *path, const char *own_name)
{
  HostList *list = g_new0 (HostList, 1);
  g_autofree char *text = NULL;
  gsize size;
  g_autoptr (GError) error = NULL;

  list->path = g_strdup (path);
  list->own_name = g_strdup (own_name);
  list->hosts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)host_unref);
  list->removed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  list->unnamed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  list->next_transition_us = G_MAXINT64;
  g_mutex_init (&list->lock);
  if ((!g_file_get_contents (path, &text, &size, &error) || !load (list, text, size, &error))
      && !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_message ("%s is passed over: %s", path, error->message);
  list->saved = list->generation;
  list->saved_us = g_get_monotonic_time ();
  return list;
}

void
host_list_free (HostList *list)
{
  if (!list)
    return;
  g_free (list->path);
  g_free (list->own_name);
  g_hash_table_unref (list->hosts);
  g_hash_table_unref (list->removed);
  g_hash_table_unref (list->unnamed);
  g_mutex_clear (&list->lock);
  g_free (list);
}

static int
compare_hosts (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const Host *const *)a)->name, (*(const Host *const *)b)->name);
}

GPtrArray *
host_list_get (HostList *list)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&list->lock);
  GPtrArray *hosts = g_ptr_array_new_with_free_func ((GDestroyNotify)host_unref);
  GHashTableIter iter;
  gpointer host;

  g_hash_table_iter_init (&iter, list->hosts);
  while (g_hash_table_iter_next (&iter, NULL, &host))
    g_ptr_array_add (hosts, host_ref (host));
  g_ptr_array_sort (hosts, compare_hosts);
  return hosts;
}

Host *
host_list_find (HostList *list, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&list->lock);
  Host *host = g_hash_table_lookup (list->hosts, name);

  return host ? host_ref (host) : NULL;
}

HostListGeneration
host_list_generation (HostList *list)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&list->lock);
  gint64 now_us = g_get_monotonic_time ();

  if (now_us > list->next_transition_us)
    find_next_transition (list, now_us);
  return list->generation;
}

gboolean
host_list_has_origin (HostList *list)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&list->lock);
  GHashTableIter iter;
  gpointer host;

  g_hash_table_iter_init (&iter, list->hosts);
  while (g_hash_table_iter_next (&iter, NULL, &host))
    if (((Host *)host)->is_origin)
      return TRUE;
  return FALSE;
}

/* As host_list_put; LOCK is held.  */
static gboolean
put (HostList *list, Host *host, gint64 now_us)
{
  const Host *old = g_hash_table_lookup (list->hosts, host->name);

  if (g_str_equal (host->name, list->own_name) || (old && old->seen_us > host->seen_us))
    return TRUE;
  if (!old && g_hash_table_size (list->hosts) >= HOSTS_MAX)
    return FALSE;
  store (list, host_ref (host), now_us);
  return TRUE;
}

gboolean
host_list_put (HostList *list, Host *host)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&list->lock);
  gint64 now_us = g_get_monotonic_time ();
  gboolean done = put (list, host, now_us);

  g_hash_table_remove (list->removed, host->name); // it was let in again
  find_next_transition (list, now_us);
  return done;
}

/* Whether HOST, as somebody else knows it, was removed here, which that one may not have heard yet.
 */
static gboolean
was_removed (const HostList *list, const Host *host)
{
  const gint64 *removed_us = g_hash_table_lookup (list->removed, host->name);

  return removed_us && host->seen_us < *removed_us + (gint64)NEWS_SECONDS * G_USEC_PER_SEC;
}

/* Forget who is not among NAMED, which a publisher named: at once, or when it is not live any more;
   LOCK is held.  */
static void
forget_unnamed (HostList *list, GPtrArray *named, gint64 now_us)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GList) known = g_hash_table_get_values (list->hosts);

  g_hash_table_remove_all (list->unnamed);
  for (guint i = 0; i < named->len; i++)
    g_hash_table_add (names, ((Host *)named->pdata[i])->name);
  for (GList *l = known; l; l = l->next)
    {
      const Host *host = l->data;
      if (g_hash_table_contains (names, host->name))
        continue;
      if (host_is_live (host, now_us))
        g_hash_table_add (list->unnamed, g_strdup (host->name));
      else
        forget (list, host->name);
    }
}

gboolean
host_list_merge (HostList *list, const Host *speaker, JsonObject *answer, GError **error)
{
  gint64 now_us = g_get_monotonic_time ();
  g_autoptr (GPtrArray) hosts = read_hosts (answer, speaker, now_us, error);
  gboolean by_publisher = FALSE;

  if (!hosts)
    return FALSE;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&list->lock);
  for (guint i = 0; i < hosts->len; i++)
    {
      const Host *host = hosts->pdata[i];
      by_publisher =
          by_publisher || (g_str_equal (host->name, speaker->name) && host->is_publisher);
      if (host_may_tell_of (speaker, host->name) && !was_removed (list, host))
        put (list, hosts->pdata[i], now_us);
    }
  if (by_publisher)
    forget_unnamed (list, hosts, now_us);
  find_next_transition (list, now_us);
  return TRUE;
}

void
host_list_touch (HostList *list, const char *const *names)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&list->lock);
  gint64 now_us = g_get_monotonic_time ();

  for (gsize i = 0; names[i]; i++)
    {
      const Host *host = g_hash_table_lookup (list->hosts, names[i]);
      if (host)
        store (list, host_with_seen (host, now_us), now_us);
    }
  find_next_transition (list, now_us);
}

void
host_list_remove (HostList *list, const char *name)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&list->lock);
  gint64 now_us = g_get_monotonic_time ();

  forget (list, name);
  g_hash_table_replace (list->removed, g_strdup (name), g_memdup2 (&now_us, sizeof now_us));
}

JsonObject *
host_list_to_json (HostList *list, const Host *own)
{
  g_autoptr (GPtrArray) hosts = host_list_get (list);
  g_autofree char *written = utc_date (0);
  gint64 now_us = g_get_monotonic_time ();
  JsonObject *object = json_object_new ();
  JsonArray *array = json_array_new ();

  if (own)
    json_array_add_object_element (array, host_to_json (own, now_us));
  for (guint i = 0; i < hosts->len; i++)
    json_array_add_object_element (array, host_to_json (hosts->pdata[i], now_us));
  json_object_set_string_member (object, "format", HOST_LIST_FORMAT);
  json_object_set_string_member (object, "written", written);
  json_object_set_array_member (object, "hosts", array);
  return object;
}

gboolean
host_list_save (HostList *list, GError **error)
{
  HostListGeneration generation = host_list_generation (list);
  g_autoptr (JsonNode) node = NULL;

  gint64 now_us = g_get_monotonic_time ();

  if (generation.reach == list->saved.reach && generation.holdings == list->saved.holdings
      && now_us - list->saved_us < (gint64)HOST_LIST_SAVE_SECONDS * G_USEC_PER_SEC)
    return TRUE;
  node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, host_list_to_json (list, NULL));
  g_autofree char *text = json_write (node);
  if (!file_write_durably (list->path, text, strlen (text), 0644, error))
    return FALSE;
  list->saved = generation;
  list->saved_us = now_us;
  return TRUE;
}
