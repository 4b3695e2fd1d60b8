// SPDX-License-Identifier: GPL-2.0-or-later
// The desktops of this host: what each is to boot, and the pins that say what it has booted.
//
// When is a pin stale?  The hook makes the directory RUN/desktops/NAME after gildd's answer, and
// removes it when the desktop has ended.  So a pin without that directory belongs to a desktop that
// has ended, or to a hook that has its answer and is about to make the directory; the pin's age
// tells these apart.  Whether the directory is a mount point says less: gildd may live in a mount
// namespace of its own.  A pin kept too long costs disk space until the desktop's next start; a pin
// lost lets gc take away what a desktop runs on.

#include "desktops.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "desktop-request.h"
#include "nbd-check.h"
#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-write.h"
#include "qcow-backing/image-library.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/kept-overlays.h"
#include "qcow-backing/overlay.h"
#include "qcow-backing/pins.h"
#include "qcow-backing/utc-date.h"

#define STALE_AFTER_SECONDS (10 * 60)
#define IMAGE_SIZE_MAX      200

/* DISK as the answer has it, its version chosen, loaded and found good.  */
static JsonObject *
resolve_disk (const Config *config, const ImageLibrary *library, const DesktopDisk *disk,
              GError **error)
{
  g_autofree char *nbd_socket = config_run_path (config, "nbd.sock", NULL);
  guint number = disk->version;

  if (disk->channel && !image_library_resolve (library, disk->image, disk->channel, &number, error))
    return NULL;
  g_autoptr (ImageVersion) version = image_library_load (library, disk->image, number, error);
  if (!version)
    return NULL;
  g_autofree char *backing = overlay_backing_uri (disk->image, number, nbd_socket);
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "target", disk->target);
  json_object_set_string_member (object, "image", disk->image);
  if (disk->channel)
    json_object_set_string_member (object, "channel", disk->channel);
  else
    json_object_set_null_member (object, "channel");
  json_object_set_int_member (object, "version", number);
  json_object_set_int_member (object, "virtual_size", (gint64)version->record->virtual_size);
  json_object_set_string_member (object, "backing", backing);
  return object;
}

static JsonArray *
resolve_disks (const Config *config, const ImageLibrary *library, const DesktopRequest *request,
               GError **error)
{
  g_autoptr (JsonArray) disks = json_array_new ();

  for (guint i = 0; i < request->disks->len; i++)
    {
      JsonObject *disk = resolve_disk (config, library, request->disks->pdata[i], error);
      if (!disk)
        {
          g_prefix_error (error, "desktop %s, disk %s: ", request->name,
                          ((DesktopDisk *)request->disks->pdata[i])->target);
          return NULL;
        }
      json_array_add_object_element (disks, disk);
    }
  return g_steal_pointer (&disks);
}

static JsonObject *
build_pin (const Config *config, const DesktopRequest *request, JsonArray *disks)
{
  g_autofree char *since = utc_date (0);
  guint64 overlay = request->overlay_bytes > 0 ? request->overlay_bytes : config->overlay_bytes;
  guint64 spill = request->has_spill ? request->spill_bytes : config->spill_bytes;
  JsonObject *pin = json_object_new ();

  json_object_set_string_member (pin, "name", request->name);
  json_object_set_string_member (pin, "uuid", request->uuid);
  if (request->directory)
    json_object_set_string_member (pin, "directory", request->directory);
  json_object_set_int_member (pin, "overlay", (gint64)overlay);
  json_object_set_int_member (pin, "spill", (gint64)spill);
  json_object_set_array_member (pin, "disks", json_array_ref (disks));
  json_object_set_string_member (pin, "since", since);
  return pin;
}

/* Resolve and pin; the caller holds the pins' lock.  */
static JsonObject *
choose_and_pin (const Config *config, const ImageLibrary *library, const DesktopRequest *request,
                GError **error)
{
  g_autoptr (JsonArray) disks = resolve_disks (config, library, request, error);

  if (!disks)
    return NULL;
  g_autoptr (JsonObject) pin = build_pin (config, request, disks);
  if (!pin_write (config, request->name, pin, error))
    return NULL;
  json_object_remove_member (pin, "format"); // the file's, not the answer's
  return g_steal_pointer (&pin);
}

JsonObject *
desktops_prepare (const Config *config, const char *name, JsonObject *body, GError **error)
{
  g_autofree char *nbd_socket = config_run_path (config, "nbd.sock", NULL);
  g_autoptr (DesktopRequest) request = desktop_request_parse (name, body, error);
  g_autoptr (ImageLibrary) library = request ? image_library_open (config, error) : NULL;

  if (!library || !nbd_await (nbd_socket, error))
    return NULL;
  int lock = pins_lock (config, error);
  if (lock < 0)
    return NULL;
  desktops_drop_stale (config, NULL); // what it cannot remove harms nobody now
  JsonObject *pin = choose_and_pin (config, library, request, error);
  close (lock);
  return pin;
}

gboolean
desktops_release (const Config *config, const char *name, GError **error)
{
  if (!desktop_request_check_name (name, error))
    return FALSE;
  g_autofree char *path = pin_path (config, name);
  return unlink (path) == 0 || errno == ENOENT || fail_errno (error, "remove %s", path);
}

/* The pin of NAME, which runs.  */
static JsonNode *
load_running (const Config *config, const char *name, GError **error)
{
  g_autoptr (GError) cause = NULL;
  JsonNode *node = pin_load (config, name, &cause);

  if (g_error_matches (cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    fail_code (error, G_IO_ERROR_NOT_FOUND,
               "there is no desktop %s that runs: `gild desktops` lists them", name);
  else if (cause)
    g_propagate_error (error, g_steal_pointer (&cause));
  return node;
}

gboolean
desktops_set_spill (const Config *config, const char *name, JsonObject *body, GError **error)
{
  g_autoptr (GError) cause = NULL;
  guint64 bytes;

  if (!desktop_request_check_name (name, error))
    return FALSE;
  if (!body || !json_read_uint (body, "size", 0, DESKTOP_SIZE_MAX, &bytes, &cause))
    return fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "%s",
                      cause ? cause->message : "the request has no body");
  int lock = pins_lock (config, error);
  g_autoptr (JsonNode) node = lock < 0 ? NULL : load_running (config, name, error);
  if (node)
    json_object_set_int_member (json_node_get_object (node), "spill", (gint64)bytes);
  gboolean done = node && pin_write (config, name, json_node_get_object (node), error);
  if (lock >= 0)
    close (lock);
  return done;
}

/* Whether the overlays of the desktop NAME, whose pin is NODE, can be kept at its end.  */
static gboolean
check_keep (const Config *config, const char *name, JsonNode *node, GError **error)
{
  g_autofree char *kept = kept_path (config, name, KEPT_PIN);

  if (json_object_has_member (json_node_get_object (node), "directory"))
    return fail (error, "%s is no desktop but an image that is attached: it cannot be kept", name);
  if (g_file_test (kept, G_FILE_TEST_EXISTS))
    return fail (
        error,
        "something is kept of %s from before: `gild capture %s IMAGE` publishes it, `gild keep --drop %s` throws it away",
        name, name, name);
  return TRUE;
}

gboolean
desktops_set_keep (const Config *config, const char *name, JsonObject *body, GError **error)
{
  g_autoptr (GError) cause = NULL;
  gboolean keep;

  if (!desktop_request_check_name (name, error))
    return FALSE;
  if (!body || !json_read_boolean (body, "keep", &keep, &cause))
    return fail_code (error, G_IO_ERROR_INVALID_ARGUMENT, "%s",
                      cause ? cause->message : "the request has no body");
  int lock = pins_lock (config, error);
  g_autoptr (JsonNode) node = lock < 0 ? NULL : load_running (config, name, error);
  gboolean done = node && (!keep || check_keep (config, name, node, error));
  if (done)
    {
      json_object_set_boolean_member (json_node_get_object (node), "keep", keep);
      done = pin_write (config, name, json_node_get_object (node), error);
    }
  if (lock >= 0)
    close (lock);
  return done;
}

/* Add to UPDATES what DISK, of a pin, would be at a start now, if that is another version.  */
static void
add_update (JsonArray *updates, const ImageLibrary *library, JsonObject *disk)
{
  JsonNode *channel = json_object_get_member (disk, "channel");
  const char *image = json_read_string (disk, "image", IMAGE_SIZE_MAX, NULL);
  guint64 present;
  guint next;

  if (!image || !channel || JSON_NODE_HOLDS_NULL (channel)
      || !json_read_uint (disk, "version", 1, VERSION_MAX, &present, NULL)
      || !image_library_resolve (library, image, json_node_get_string (channel), &next, NULL)
      || next == present)
    return;
  g_autofree char *ref = g_strdup_printf ("%s@%u", image, next);
  json_array_add_string_element (updates, ref);
}

/* LIBRARY may be NULL.  */
static void
add_updates (JsonObject *pin, const ImageLibrary *library)
{
  JsonArray *disks = json_read_array (pin, "disks", DESKTOP_DISKS_MAX, NULL);
  JsonArray *updates = json_array_new ();

  for (guint i = 0; library && disks && i < json_array_get_length (disks); i++)
    {
      JsonNode *disk = json_array_get_element (disks, i);
      if (JSON_NODE_HOLDS_OBJECT (disk))
        add_update (updates, library, json_node_get_object (disk));
    }
  json_object_set_array_member (pin, "update", updates);
}

JsonArray *
desktops_list (const Config *config, GError **error)
{
  g_autoptr (GPtrArray) names = pins_names (config, error);
  g_autoptr (ImageLibrary) library = image_library_open (config, NULL);
  g_autoptr (JsonArray) pins = json_array_new ();

  for (guint i = 0; names && i < names->len; i++)
    {
      g_autoptr (GError) local_error = NULL;
      g_autoptr (JsonNode) node = pin_load (config, names->pdata[i], &local_error);
      JsonObject *pin = node ? json_node_dup_object (node) : NULL;
      if (!pin && g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        continue; // it just ended
      if (!pin)
        {
          pin = json_object_new ();
          json_object_set_string_member (pin, "name", names->pdata[i]);
          json_object_set_string_member (pin, "error", local_error->message);
        }
      add_updates (pin, library);
      json_array_add_object_element (pins, pin);
    }
  return names ? g_steal_pointer (&pins) : NULL;
}

static gboolean
is_stale (const Config *config, const char *name)
{
  g_autofree char *mount_point = config_run_path (config, "desktops", name, NULL);
  g_autofree char *path = pin_path (config, name);
  struct stat pin, directory;

  return lstat (path, &pin) == 0 && pin.st_mtime + STALE_AFTER_SECONDS < time (NULL)
         && lstat (mount_point, &directory) < 0 && errno == ENOENT;
}

gboolean
desktops_drop_stale (const Config *config, GError **error)
{
  g_autoptr (GPtrArray) names = pins_names (config, error);

  for (guint i = 0; names && i < names->len; i++)
    {
      const char *name = names->pdata[i];
      if (!is_stale (config, name))
        continue;
      if (!desktops_release (config, name, error))
        return FALSE;
      g_message ("%s ended while gildd did not run: its pin is removed", name);
    }
  return names != NULL;
}
