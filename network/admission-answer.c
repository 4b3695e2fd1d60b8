// SPDX-License-Identifier: GPL-2.0-or-later
// What a host is told that has joined.

#include "admission-answer.h"

#include "admission.h"
#include "host-list.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/image-library.h"
#include "qcow-backing/json-read.h"
#include "revocation.h"

#define HOSTS_SIZE_MAX (16u << 20)

/* What a new host is told of HOST, of hosts.json: how to reach it.  */
static JsonObject *
describe_host (JsonObject *host)
{
  static const char *const MEMBERS[] = { "name", "address", "port", "origin", "publisher" };
  JsonObject *told = json_object_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (MEMBERS); i++)
    {
      JsonNode *node = json_object_get_member (host, MEMBERS[i]);
      if (node && JSON_NODE_HOLDS_VALUE (node))
        json_object_set_member (told, MEMBERS[i], json_node_copy (node));
    }
  json_object_set_null_member (told, "seen");
  return told;
}

/* The hosts that this one knows; what cannot be read is nothing that a new host must have.  */
static JsonArray *
list_hosts (const Config *config)
{
  g_autofree char *path = config_state_path (config, "site", "hosts.json", NULL);
  gsize size;
  g_autofree char *text = file_read (path, HOSTS_SIZE_MAX, &size, NULL);
  g_autoptr (JsonNode) root = text ? json_read_object (text, size, NULL, NULL) : NULL;
  JsonArray *known =
      root ? json_read_array (json_node_get_object (root), "hosts", HOSTS_MAX, NULL) : NULL;
  JsonArray *hosts = json_array_new ();

  for (guint i = 0; known && i < json_array_get_length (known); i++)
    {
      JsonNode *node = json_array_get_element (known, i);
      if (JSON_NODE_HOLDS_OBJECT (node))
        json_array_add_object_element (hosts, describe_host (json_node_get_object (node)));
    }
  return hosts;
}

/* The images that host NAME may have, and how new their channel records are, so that it can tell
   when it has them.  What cannot be read is not told: it will hear of it.  */
static JsonArray *
list_images (const Config *config, const char *name)
{
  g_autoptr (ImageLibrary) library = image_library_open (config, NULL);
  g_autoptr (GPtrArray) images = library ? image_library_images (library, NULL) : NULL;
  JsonArray *list = json_array_new ();

  for (guint i = 0; images && i < images->len; i++)
    {
      g_autoptr (ChannelRecord) record =
          config_host_may_have (config, images->pdata[i], name)
              ? image_library_load_channels (library, images->pdata[i], NULL)
              : NULL;
      if (!record)
        continue;
      JsonObject *entry = json_object_new ();
      json_object_set_string_member (entry, "image", record->image);
      json_object_set_int_member (entry, "serial", (gint64)record->serial);
      json_array_add_object_element (list, entry);
    }
  return list;
}

JsonObject *
admission_answer_new (const Config *config, const Site *site, const char *name,
                      const char *site_key, const char *certificate)
{
  g_autofree char *crl_path = config_state_path (config, "site", "crl.pem", NULL);
  g_autofree char *crl = file_read (crl_path, REVOCATION_SIZE_MAX, NULL, NULL);
  JsonObject *answer = json_object_new ();

  json_object_set_string_member (answer, "format", ADMISSION_ANSWER_FORMAT);
  json_object_set_object_member (answer, "site", site_to_json (site));
  json_object_set_string_member (answer, "public_key", site_key);
  json_object_set_string_member (answer, "certificate", certificate);
  if (crl)
    json_object_set_string_member (answer, "crl", crl);
  else
    json_object_set_null_member (answer, "crl");
  json_object_set_array_member (answer, "hosts", list_hosts (config));
  json_object_set_array_member (answer, "images", list_images (config, name));
  return answer;
}
