// SPDX-License-Identifier: GPL-2.0-or-later
// What gildd answers on its control socket; gildd(8) lists the requests.

#include "control-routes.h"

#include "desktops.h"
#include "network/admission.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-library.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/kept-overlays.h"
#include "qcow-backing/pins.h"
#include "qcow-backing/site.h"

#define REF_MAX 200 // bytes of IMAGE@VERSION

static gboolean
count_images (const Config *config, guint *count, GError **error)
{
  g_autoptr (ImageLibrary) library = image_library_open (config, error);
  g_autoptr (GPtrArray) images = library ? image_library_images (library, error) : NULL;

  *count = images ? images->len : 0;
  return images != NULL;
}

/* This host's name, how many others it knows, and what keeps it from speaking to them.  */
static void
describe_network (const Daemon *daemon, JsonObject *status)
{
  g_autoptr (JsonObject) hosts =
      daemon->network ? upkeep_hosts (site_network_upkeep (daemon->network)) : NULL;
  const char *trouble = daemon->network_trouble;

  if (hosts)
    {
      json_object_set_string_member (status, "host", site_network_name (daemon->network));
      json_object_set_int_member (
          status, "others",
          json_array_get_length (json_object_get_array_member (hosts, "hosts")) - 1);
      trouble = json_object_get_string_member_with_default (hosts, "trouble", NULL);
    }
  else
    json_object_set_null_member (status, "host");
  if (trouble)
    json_object_set_string_member (status, "network", trouble);
  else
    json_object_set_null_member (status, "network");
}

static JsonObject *
get_status (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;
  const Config *config = daemon->config;
  g_autofree char *trouble = desktop_watch_trouble (daemon->watch);
  g_autoptr (GError) no_site = NULL;
  g_autoptr (Site) site = site_load (config, &no_site);
  g_autoptr (GPtrArray) desktops = pins_names (config, error);
  guint n_images = 0, n_damaged = 0;

  if (!desktops || (site && !count_images (config, &n_images, error))
      || !damage_check_count (config, &n_damaged, error))
    return NULL;
  if (!site && !g_error_matches (no_site, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&no_site));
      return NULL;
    }
  JsonObject *status = json_object_new ();
  json_object_set_string_member (status, "version", PACKAGE_VERSION);
  if (site)
    json_object_set_string_member (status, "site", site->name);
  else
    json_object_set_null_member (status, "site");
  describe_network (daemon, status);
  json_object_set_string_member (status, "state", config->state_dir);
  json_object_set_string_member (status, "run", config->run_dir);
  if (trouble)
    json_object_set_string_member (status, "libvirt", trouble);
  else
    json_object_set_null_member (status, "libvirt");
  json_object_set_int_member (status, "desktops", desktops->len);
  json_object_set_int_member (status, "images", n_images);
  json_object_set_int_member (status, "damaged", n_damaged);
  return status;
}

static JsonObject *
get_desktops (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;
  JsonArray *pins = desktops_list (daemon->config, error);

  if (!pins)
    return NULL;
  for (guint i = 0; i < json_array_get_length (pins); i++)
    {
      JsonObject *pin = json_array_get_object_element (pins, i);
      desktop_watch_describe (daemon->watch, json_object_get_string_member (pin, "name"), pin);
    }
  JsonObject *answer = json_object_new ();
  json_object_set_array_member (answer, "desktops", pins);
  return answer;
}

/* The images of the answer to a prepare, for the log: "vda demo/desktop@7, vdb demo/erp@2".  */
static char *
describe_disks (JsonObject *answer)
{
  JsonArray *disks = json_object_get_array_member (answer, "disks");
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (disks); i++)
    {
      JsonObject *disk = json_array_get_object_element (disks, i);
      g_string_append_printf (text, "%s%s %s@%d", i > 0 ? ", " : "",
                              json_object_get_string_member (disk, "target"),
                              json_object_get_string_member (disk, "image"),
                              (int)json_object_get_int_member (disk, "version"));
    }
  return g_string_free (text, FALSE);
}

/* The versions of PIN are about to be read.  */
static void
expect_boot (const Daemon *daemon, JsonObject *pin)
{
  JsonArray *disks = json_object_get_array_member (pin, "disks");

  for (guint i = 0; i < json_array_get_length (disks); i++)
    {
      JsonObject *disk = json_array_get_object_element (disks, i);
      const char *image = json_object_get_string_member (disk, "image");
      guint version = (guint)json_object_get_int_member (disk, "version");
      profile_keeper_expect (daemon->profile_keeper, image, version);
      if (daemon->network)
        site_network_expect_boot (daemon->network, image, version);
    }
}

static JsonObject *
post_prepare (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;
  JsonObject *answer = desktops_prepare (daemon->config, name, body, error);

  if (answer)
    {
      g_autofree char *disks = describe_disks (answer);
      g_message ("%s boots %s", name, disks);
      expect_boot (daemon, answer);
    }
  return answer;
}

static JsonObject *
delete_desktop (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Config *config = ((Daemon *)data)->config;
  g_autoptr (KeptOverlays) kept = kept_load (config, name, NULL);

  if (!desktops_release (config, name, error))
    return NULL;
  if (kept)
    g_message ("%s is released; of it is kept: %s", name,
               kept->failure ? kept->failure : "what it has written");
  else
    g_message ("%s is released", name);
  return json_object_new ();
}

static JsonObject *
post_spill (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;

  if (!desktops_set_spill (daemon->config, name, body, error))
    return NULL;
  desktop_watch_poke (daemon->watch, name);
  return json_object_new ();
}

static JsonObject *
post_keep (gpointer data, const char *name, JsonObject *body, GError **error)
{
  return desktops_set_keep (((Daemon *)data)->config, name, body, error) ? json_object_new ()
                                                                         : NULL;
}

static void
post_layer (gpointer data, const char *name, JsonObject *body, ControlReply *reply)
{
  desktop_watch_add_layer (((Daemon *)data)->watch, name, reply);
}

static JsonObject *
post_damaged (gpointer data, const char *name, JsonObject *body, GError **error)
{
  ChunkId id;

  if (!damage_check_parse (name, body, &id, error)
      || !damage_check_add (((Daemon *)data)->damage_check, &id, NULL, NULL, error))
    return NULL;
  return json_object_new ();
}

static void
post_chunk_fetch (gpointer data, const char *name, JsonObject *body, ControlReply *reply)
{
  chunk_requests_start (((Daemon *)data)->chunk_requests, name, body, reply);
}

static JsonObject *
post_profile (gpointer data, const char *name, JsonObject *body, GError **error)
{
  return profile_keeper_take (((Daemon *)data)->profile_keeper, name, body, error);
}

static JsonObject *
post_invitation (gpointer data, const char *name, JsonObject *body, GError **error)
{
  guint64 seconds;

  if (!body)
    {
      fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "the request has no body");
      return NULL;
    }
  if (!json_read_uint (body, "seconds", 1, ADMISSION_SECONDS_MAX, &seconds, error))
    {
      (*error)->code = G_IO_ERROR_INVALID_ARGUMENT;
      return NULL;
    }
  return admission_invite (((Daemon *)data)->config, (guint)seconds, error);
}

/* Whether this host takes part in a site.  */
static gboolean
is_in_site (const Daemon *daemon, GError **error)
{
  if (daemon->network)
    return TRUE;
  return daemon->network_trouble
             ? fail (error, "%s", daemon->network_trouble)
             : fail_code (error, G_IO_ERROR_NOT_FOUND,
                          "this host belongs to no site: `gild join` enters one");
}

static JsonObject *
get_hosts (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;

  return is_in_site (daemon, error) ? upkeep_hosts (site_network_upkeep (daemon->network)) : NULL;
}

static JsonObject *
delete_host (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;

  if (!is_in_site (daemon, error) || !site_network_remove_host (daemon->network, name, error))
    return NULL;
  return json_object_new ();
}

static JsonObject *
get_versions (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;

  return is_in_site (daemon, error) ? upkeep_versions (site_network_upkeep (daemon->network))
                                    : NULL;
}

static JsonObject *
post_fetch (gpointer data, const char *name, JsonObject *body, GError **error)
{
  const Daemon *daemon = data;
  g_autoptr (GError) cause = NULL;
  const char *ref = body ? json_read_string (body, "image", REF_MAX, &cause) : NULL;

  if (!ref)
    {
      fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "%s",
                 cause ? cause->message : "the request has no body");
      return NULL;
    }
  return is_in_site (daemon, error)
             ? upkeep_fetch (site_network_upkeep (daemon->network), ref, error)
             : NULL;
}

const ControlRoute CONTROL_ROUTES[] = {
  { "GET", "/status", get_status },
  { "GET", "/desktops", get_desktops },
  { "POST", "/desktops/*/prepare", post_prepare },
  { "POST", "/desktops/*/spill", post_spill },
  { "POST", "/desktops/*/keep", post_keep },
  { "POST", "/desktops/*/layer", NULL, post_layer },
  { "DELETE", "/desktops/*", delete_desktop },
  { "POST", "/chunks/*/damaged", post_damaged },
  { "POST", "/chunks/*/fetch", NULL, post_chunk_fetch },
  { "POST", "/images/*/*/*/profile", post_profile },
  { "POST", "/invitations", post_invitation },
  { "GET", "/hosts", get_hosts },
  { "DELETE", "/hosts/*", delete_host },
  { "GET", "/versions", get_versions },
  { "POST", "/fetches", post_fetch },
  { NULL },
};
