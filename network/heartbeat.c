// SPDX-License-Identifier: GPL-2.0-or-later
// Heartbeats: each host tells each origin every few seconds that it lives and what it has, and
// hears who else does and which records there are.
//
// An origin of 250 hosts answers 25 a second.  What an answer needs of the disk is therefore looked
// up once a second at most, and most answers leave the hosts out.

#include "heartbeat.h"

#include <string.h>

#include "own-host.h"
#include "qcow-backing/boot-counts.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"

#define LOOK_AGAIN_US   G_USEC_PER_SEC
#define IMAGE_NAME_SIZE 200
#define IMAGES_MAX      10000
#define UUID_SIZE       36

/* What an origin last told, and who lived then.  */
typedef struct
{
  char *list;
  guint64 reach, holdings;
  GPtrArray *live; // names
} Known;

struct Heartbeats
{
  const Config *config;
  char *name;
  char *list_id; // of this process's generations
  ImageLibrary *library;
  HostList *list;
  Completeness *completeness;
  GMutex lock; // guards what follows
  gint64 looked_us;
  Host *own;
  HostListGeneration own_generation;
  GPtrArray *images;    // of HeartbeatImage *
  GPtrArray *own_boots; // of BootCounts *
  GHashTable *boots;    // host's name -> GPtrArray of BootCounts *
  guint64 crl;
  GHashTable *known; // origin's name -> Known *
};

void
heartbeat_image_free (HeartbeatImage *image)
{
  g_free (image->image);
  g_free (image);
}

static void
known_free (gpointer data)
{
  Known *known = data;

  g_free (known->list);
  g_ptr_array_unref (known->live);
  g_free (known);
}

static GPtrArray *
new_images (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)heartbeat_image_free);
}

Heartbeats *
heartbeats_new (const Config *config, const char *name, ImageLibrary *library, HostList *list,
                Completeness *completeness)
{
  Heartbeats *heartbeats = g_new0 (Heartbeats, 1);

  heartbeats->config = config;
  heartbeats->name = g_strdup (name);
  heartbeats->list_id = g_uuid_string_random ();
  heartbeats->library = library;
  heartbeats->list = list;
  heartbeats->completeness = completeness;
  heartbeats->images = new_images ();
  heartbeats->own_boots = boot_counts_list_new ();
  heartbeats->boots =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  heartbeats->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, known_free);
  g_mutex_init (&heartbeats->lock);
  return heartbeats;
}

void
heartbeats_free (Heartbeats *heartbeats)
{
  if (!heartbeats)
    return;
  g_free (heartbeats->name);
  g_free (heartbeats->list_id);
  host_unref (heartbeats->own);
  g_ptr_array_unref (heartbeats->images);
  g_ptr_array_unref (heartbeats->own_boots);
  g_hash_table_unref (heartbeats->boots);
  g_hash_table_unref (heartbeats->known);
  g_mutex_clear (&heartbeats->lock);
  g_free (heartbeats);
}

/* The images that have a channel record which can be read, with its serial.  */
static GPtrArray *
list_images (const ImageLibrary *library)
{
  g_autoptr (GPtrArray) names = image_library_images (library, NULL);
  GPtrArray *images = new_images ();

  for (guint i = 0; names && i < names->len; i++)
    {
      g_autoptr (ChannelRecord) record =
          image_library_load_channels (library, names->pdata[i], NULL);
      HeartbeatImage *image = record ? g_new (HeartbeatImage, 1) : NULL;
      if (!image)
        continue;
      *image = (HeartbeatImage){ g_strdup (names->pdata[i]), record->serial };
      g_ptr_array_add (images, image);
    }
  return images;
}

void
heartbeats_set_crl (Heartbeats *heartbeats, guint64 number)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&heartbeats->lock);

  heartbeats->crl = number;
}

/* Look again at what answers need of the disk, unless that was done just now; LOCK is held.  */
static void
look (Heartbeats *heartbeats)
{
  gint64 now_us = g_get_monotonic_time ();
  Host *old = heartbeats->own;

  if (old && now_us - heartbeats->looked_us < LOOK_AGAIN_US)
    return;
  heartbeats->looked_us = now_us;
  heartbeats->own = own_host_new (heartbeats->config, heartbeats->name, heartbeats->completeness);
  heartbeats->own_generation.reach += !old || !host_reached_alike (old, heartbeats->own);
  heartbeats->own_generation.holdings += !old || !host_holds_alike (old, heartbeats->own);
  host_unref (old);
  g_ptr_array_unref (heartbeats->images);
  heartbeats->images = list_images (heartbeats->library);
  g_ptr_array_unref (heartbeats->own_boots);
  heartbeats->own_boots = boot_counts_load (heartbeats->config);
}

Host *
heartbeats_own_host (Heartbeats *heartbeats)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&heartbeats->lock);

  look (heartbeats);
  return host_with_seen (heartbeats->own, g_get_monotonic_time ());
}

/* Whether KNOWN, of a heartbeat, says that who sent it knows the hosts as of NOW.  */
static gboolean
knows_hosts (const Heartbeats *heartbeats, JsonObject *known, const HostListGeneration *now)
{
  const char *list = json_read_string (known, "list", UUID_SIZE, NULL);
  JsonNode *holdings = json_object_get_member (known, "holdings");
  guint64 known_reach, known_holdings;

  return g_strcmp0 (list, heartbeats->list_id) == 0
         && json_read_uint (known, "reach", 0, G_MAXINT64, &known_reach, NULL)
         && known_reach == now->reach
         && ((holdings && JSON_NODE_HOLDS_NULL (holdings))
             || (json_read_uint (known, "holdings", 0, G_MAXINT64, &known_holdings, NULL)
                 && known_holdings == now->holdings));
}

/* The images that HOST may have; LOCK is held.  */
static JsonArray *
images_for (const Heartbeats *heartbeats, const char *host)
{
  JsonArray *images = json_array_new ();

  for (guint i = 0; i < heartbeats->images->len; i++)
    {
      const HeartbeatImage *image = heartbeats->images->pdata[i];
      JsonObject *entry;
      if (!config_host_may_have (heartbeats->config, image->image, host))
        continue;
      entry = json_object_new ();
      json_object_set_string_member (entry, "image", image->image);
      json_object_set_int_member (entry, "serial", (gint64)image->serial);
      json_array_add_object_element (images, entry);
    }
  return images;
}

static JsonObject *
answer (Heartbeats *heartbeats, const char *host, JsonObject *known)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&heartbeats->lock);
  HostListGeneration now = host_list_generation (heartbeats->list);
  JsonObject *object;

  look (heartbeats);
  now.reach += heartbeats->own_generation.reach;
  now.holdings += heartbeats->own_generation.holdings;
  if (known && knows_hosts (heartbeats, known, &now))
    object = json_object_new ();
  else
    object = host_list_to_json (heartbeats->list, heartbeats->own);
  json_object_set_string_member (object, "format", HOST_LIST_FORMAT);
  json_object_set_string_member (object, "list", heartbeats->list_id);
  json_object_set_int_member (object, "reach", (gint64)now.reach);
  json_object_set_int_member (object, "holdings", (gint64)now.holdings);
  json_object_set_array_member (object, "images", images_for (heartbeats, host));
  json_object_set_int_member (object, "crl", (gint64)heartbeats->crl);
  return object;
}

GPtrArray *
heartbeats_boots (Heartbeats *heartbeats, const char *host)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&heartbeats->lock);
  const GPtrArray *boots = g_hash_table_lookup (heartbeats->boots, host);

  return boots ? boot_counts_list_copy (boots) : NULL;
}

/* Take the boots that BODY of HOST tells of, if it does.  */
static gboolean
hear_boots (Heartbeats *heartbeats, const char *host, JsonObject *body, GError **error)
{
  if (!json_object_has_member (body, "boots"))
    return TRUE;
  JsonArray *array = json_read_array (body, "boots", BOOT_COUNTS_MAX, error);
  GPtrArray *boots = array ? boot_counts_from_json (array, error) : NULL;
  if (!boots)
    return FALSE;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&heartbeats->lock);
  g_hash_table_replace (heartbeats->boots, g_strdup (host), boots);
  return TRUE;
}

JsonObject *
heartbeats_hear (Heartbeats *heartbeats, const char *host, const char *address, JsonObject *body,
                 GError **error)
{
  g_autoptr (GError) cause = NULL;
  const char *format = json_read_string (body, "format", 100, &cause);
  g_autoptr (Host) heard = NULL;

  if (format && !g_str_equal (format, HEARTBEAT_FORMAT))
    fail (&cause, "its format is \"%s\", this gild reads \"%s\"", format, HEARTBEAT_FORMAT);
  else if (format)
    heard = host_from_heartbeat (host, address, body, g_get_monotonic_time (), &cause);
  if (heard && hear_boots (heartbeats, heard->name, body, &cause)
      && !host_list_put (heartbeats->list, heard))
    fail (&cause, "there are %d hosts already", HOSTS_MAX);
  if (cause)
    {
      fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "a heartbeat of %s: %s", host, cause->message);
      return NULL;
    }
  JsonNode *known = json_object_get_member (body, "known");
  return answer (heartbeats, heard->name,
                 known && JSON_NODE_HOLDS_OBJECT (known) ? json_node_get_object (known) : NULL);
}

static JsonNode *
known_to_json (const Known *known, gboolean with_holdings)
{
  JsonNode *node = json_node_new (known ? JSON_NODE_OBJECT : JSON_NODE_NULL);
  JsonObject *object;

  if (!known)
    return node;
  object = json_object_new ();
  json_object_set_string_member (object, "list", known->list);
  json_object_set_int_member (object, "reach", (gint64)known->reach);
  if (with_holdings)
    json_object_set_int_member (object, "holdings", (gint64)known->holdings);
  else
    json_object_set_null_member (object, "holdings");
  json_node_take_object (node, object);
  return node;
}

JsonObject *
heartbeats_say (Heartbeats *heartbeats, const Host *origin, gboolean with_holdings)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&heartbeats->lock);
  const Known *known = g_hash_table_lookup (heartbeats->known, origin->name);

  look (heartbeats);
  JsonObject *body = host_to_json (heartbeats->own, g_get_monotonic_time ());
  json_object_remove_member (body, "name");    // its certificate says it,
  json_object_remove_member (body, "address"); // and its connection
  json_object_remove_member (body, "seen");
  json_object_set_string_member (body, "format", HEARTBEAT_FORMAT);
  json_object_set_array_member (body, "boots", boot_counts_to_json (heartbeats->own_boots));
  json_object_set_int_member (body, "crl", (gint64)heartbeats->crl);
  json_object_set_member (body, "known", known_to_json (known, with_holdings));
  return body;
}

static GPtrArray *
read_images (JsonObject *answer, GError **error)
{
  g_autoptr (GPtrArray) images = new_images ();
  JsonArray *array = json_read_array (answer, "images", IMAGES_MAX, error);

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      JsonObject *entry = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      guint64 serial;
      if (!entry)
        {
          fail (error, "\"images\" has something else than objects");
          return NULL;
        }
      const char *name = json_read_string (entry, "image", IMAGE_NAME_SIZE, error);
      if (!name || !image_name_check (name, error)
          || !json_read_uint (entry, "serial", 1, G_MAXINT64, &serial, error))
        return NULL;
      HeartbeatImage *image = g_new (HeartbeatImage, 1);
      *image = (HeartbeatImage){ g_strdup (name), serial };
      g_ptr_array_add (images, image);
    }
  return array ? g_steal_pointer (&images) : NULL;
}

/* What ANSWER says of its generation, and, where it has hosts, who of them lives.  */
static Known *
read_known (JsonObject *answer, GError **error)
{
  const char *list = json_read_string (answer, "list", UUID_SIZE, error);
  guint64 reach, holdings;

  if (!list || !json_read_uint (answer, "reach", 0, G_MAXINT64, &reach, error)
      || !json_read_uint (answer, "holdings", 0, G_MAXINT64, &holdings, error))
    return NULL;
  Known *known = g_new (Known, 1);
  *known = (Known){ g_strdup (list), reach, holdings, g_ptr_array_new_with_free_func (g_free) };
  return known;
}

/* Note who of the hosts in ANSWER, which was found good and is SPEAKER's, lived.  */
static void
note_live (Known *known, const Host *speaker, JsonObject *answer)
{
  JsonArray *hosts = json_object_get_array_member (answer, "hosts");

  for (guint i = 0; i < json_array_get_length (hosts); i++)
    {
      JsonObject *host = json_array_get_object_element (hosts, i);
      const char *name = json_object_get_string_member (host, "name");
      guint64 seen;
      if (host_may_tell_of (speaker, name)
          && json_read_uint (host, "seen", 0, HOST_LIVE_SECONDS - 1, &seen, NULL))
        g_ptr_array_add (known->live, g_strdup (name));
    }
  g_ptr_array_add (known->live, NULL);
}

/* Take over who is there; LOCK is held.  */
static gboolean
take_hosts (Heartbeats *heartbeats, const Host *origin, JsonObject *answer, GError **error)
{
  Known *last = g_hash_table_lookup (heartbeats->known, origin->name);
  Known *known = read_known (answer, error);

  if (known && !json_object_has_member (answer, "hosts"))
    {
      gboolean is_known =
          last && g_str_equal (last->list, known->list) && last->reach == known->reach;
      known_free (known);
      if (!is_known)
        return fail (error, "\"hosts\" is missing");
      host_list_touch (heartbeats->list, (const char *const *)last->live->pdata);
      return TRUE;
    }
  if (!known || !host_list_merge (heartbeats->list, origin, answer, error))
    {
      g_clear_pointer (&known, known_free);
      return FALSE;
    }
  note_live (known, origin, answer);
  g_hash_table_replace (heartbeats->known, g_strdup (origin->name), known);
  return TRUE;
}

gboolean
heartbeats_take (Heartbeats *heartbeats, const Host *origin, JsonObject *answer, GPtrArray **images,
                 guint64 *crl, GError **error)
{
  g_autoptr (GPtrArray) read = read_images (answer, error);

  if (!read || !json_read_uint (answer, "crl", 0, G_MAXINT64, crl, error))
    return FALSE;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&heartbeats->lock);
  if (!take_hosts (heartbeats, origin, answer, error))
    return FALSE;
  *images = g_steal_pointer (&read);
  return TRUE;
}
