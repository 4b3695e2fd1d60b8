// SPDX-License-Identifier: GPL-2.0-or-later
// gild desktops: list desktops, what they run and how full their overlays are.

#include "gild.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/control-client.h"
#include "daemon/libvirt-connection.h"
#include "kept-report.h"
#include "qcow-backing/desktop-limits.h"
#include "qcow-backing/json-read.h"
#include "qcow-backing/overlay.h"
#include "qcow-backing/pins.h"
#include "qcow-backing/size.h"
#include "virt-hooks/attachment.h"
#include "virt-hooks/metadata.h"
#include "virt-hooks/overlay-mount.h"

#define TIMEOUT_SECONDS 5
#define NOTICE_MAX      4096

#define NEARLY_FULL_PERCENT 85

/* The row of a desktop, or of an attachment.  */
typedef struct
{
  char *name;
  char *directory; // where it is attached; NULL: a desktop
  const char *state;
  GPtrArray *images;        // "IMAGE@VERSION" if it runs, else "IMAGE (CHANNEL)"
  GPtrArray *updates;       // "IMAGE@VERSION" that its next start boots in place of what runs
  guint64 used, cap;        // bytes of the overlay; 0, 0 where it has none
  guint64 spilled;          // bytes that it has written to disk
  char *condition, *notice; // what gildd has noticed; NULL where there is nothing
  gboolean keep;            // what it writes, when it is shut down
  KeptOverlays *kept;       // from an earlier time; NULL: nothing
} Desktop;

static void
desktop_free (gpointer data)
{
  Desktop *desktop = data;

  g_free (desktop->name);
  g_free (desktop->directory);
  g_free (desktop->condition);
  g_free (desktop->notice);
  kept_overlays_free (desktop->kept);
  g_ptr_array_unref (desktop->images);
  g_ptr_array_unref (desktop->updates);
  g_free (desktop);
}

static Desktop *
desktop_new (const char *name)
{
  Desktop *desktop = g_new0 (Desktop, 1);

  desktop->name = g_strdup (name);
  desktop->images = g_ptr_array_new_with_free_func (g_free);
  desktop->updates = g_ptr_array_new_with_free_func (g_free);
  return desktop;
}

static const char *
state_name (virDomainPtr domain)
{
  int state = VIR_DOMAIN_NOSTATE, reason = 0;

  virDomainGetState (domain, &state, &reason, 0);
  switch (state)
    {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
      return "running";
    case VIR_DOMAIN_PAUSED:
      // The one that an admin looks for: the overlay is full, or the image cannot be read.
      return reason == VIR_DOMAIN_PAUSED_IOERROR ? "paused by an I/O error" : "paused";
    case VIR_DOMAIN_SHUTDOWN:
      return "in shutdown";
    case VIR_DOMAIN_SHUTOFF:
      return "shut off";
    case VIR_DOMAIN_CRASHED:
      return "crashed";
    case VIR_DOMAIN_PMSUSPENDED:
      return "pmsuspended";
    default:
      return "no state";
    }
}

/* The text of MEMBER; NULL where there is none.  */
static char *
read_text (JsonObject *object, const char *member)
{
  return g_strdup (json_read_string (object, member, NOTICE_MAX, NULL));
}

static void
add_pinned_images (Desktop *desktop, const Pin *pin)
{
  for (guint i = 0; i < pin->images->len; i++)
    g_ptr_array_add (desktop->images, g_strdup (pin->images->pdata[i]));
}

/* What PIN, of gildd's answer, says that the next start boots.  */
static void
add_updates (Desktop *desktop, JsonObject *pin)
{
  JsonArray *updates = json_read_array (pin, "update", DESKTOP_DISKS_MAX, NULL);

  for (guint i = 0; updates && i < json_array_get_length (updates); i++)
    {
      JsonNode *node = json_array_get_element (updates, i);
      if (json_node_get_value_type (node) == G_TYPE_STRING)
        g_ptr_array_add (desktop->updates, g_strdup (json_node_get_string (node)));
    }
}

/* What PINS, gildd's answer, says of DESKTOP.  */
static gboolean
add_pin (Desktop *desktop, JsonArray *pins)
{
  for (guint i = 0; pins && i < json_array_get_length (pins); i++)
    {
      JsonNode *node = json_array_get_element (pins, i);
      g_autoptr (Pin) pin = pin_read (node, NULL);
      if (!pin || !g_str_equal (pin->name, desktop->name))
        continue;
      add_pinned_images (desktop, pin);
      add_updates (desktop, json_node_get_object (node));
      desktop->keep = pin->keep;
      desktop->condition = read_text (json_node_get_object (node), "condition");
      desktop->notice = read_text (json_node_get_object (node), "notice");
      json_read_uint (json_node_get_object (node), "spill_used", 0, G_MAXINT64, &desktop->spilled,
                      NULL);
      return TRUE;
    }
  return FALSE;
}

static void
add_configured_images (Desktop *desktop, const Metadata *metadata)
{
  for (guint i = 0; i < metadata->disks->len; i++)
    {
      const MetadataDisk *disk = metadata->disks->pdata[i];
      g_ptr_array_add (desktop->images,
                       disk->version ? g_strdup_printf ("%s@%u", disk->image, disk->version)
                                     : g_strdup_printf ("%s (%s)", disk->image, disk->channel));
    }
}

/* DOMAIN's row, NULL if it is no desktop of gild.  */
static Desktop *
describe (virDomainPtr domain, const Config *config, JsonArray *pins)
{
  char *xml = virDomainGetXMLDesc (domain, VIR_DOMAIN_XML_INACTIVE);
  g_autoptr (GError) error = NULL;
  g_autoptr (Metadata) metadata =
      xml ? metadata_parse (xml, strlen (xml), config->run_dir, &error) : NULL;

  free (xml);
  if (!metadata && !error)
    return NULL;
  Desktop *desktop = desktop_new (virDomainGetName (domain));
  desktop->state = state_name (domain);
  if (!metadata)
    g_ptr_array_add (desktop->images, g_strdup (error->message));
  else if (!virDomainIsActive (domain) || !add_pin (desktop, pins))
    add_configured_images (desktop, metadata);
  if (virDomainIsActive (domain))
    overlay_measure (config, desktop->name, &desktop->used, &desktop->cap);
  desktop->kept = kept_load (config, desktop->name, NULL);
  return desktop;
}

static int
compare_desktops (gconstpointer a, gconstpointer b)
{
  const Desktop *x = *(Desktop *const *)a, *y = *(Desktop *const *)b;

  return strcmp (x->name, y->name);
}

/* Whether what is attached as PIN still has its disk; who is not root sees only that it is mounted.
 */
static gboolean
is_attached (const Config *config, const Pin *pin)
{
  g_autoptr (OverlayMount) overlays =
      geteuid () == 0 ? overlay_mount_open (config->run_dir, pin->name, NULL) : NULL;

  return attachment_is_mounted (pin->directory) && (!overlays || overlay_mount_is_held (overlays));
}

/* What is to be said of an attachment; NULL where all is good.  */
static char *
attachment_notice (const Desktop *desktop, gboolean attached)
{
  if (!attached)
    return g_strdup_printf ("its disk is lost, with what was written: `gild detach %s`",
                            desktop->directory);
  if (desktop->cap == 0 || desktop->used < desktop->cap / 100 * NEARLY_FULL_PERCENT)
    return NULL;
  g_autofree char *used = size_format (desktop->used), *cap = size_format (desktop->cap);
  return g_strdup_printf (
      "its overlay is nearly full (%s of %s); writes will fail as on a full disk", used, cap);
}

/* Add the attachments among PINS to DESKTOPS.  */
static void
list_attachments (GPtrArray *desktops, const Config *config, JsonArray *pins)
{
  for (guint i = 0; pins && i < json_array_get_length (pins); i++)
    {
      g_autoptr (Pin) pin = pin_read (json_array_get_element (pins, i), NULL);
      if (!pin || !pin->directory)
        continue;
      Desktop *desktop = desktop_new (pin->name);
      desktop->directory = g_strdup (pin->directory);
      gboolean attached = is_attached (config, pin);
      desktop->state = attached ? "attached" : "lost";
      add_pinned_images (desktop, pin);
      overlay_measure (config, desktop->name, &desktop->used, &desktop->cap);
      desktop->notice = attachment_notice (desktop, attached);
      g_ptr_array_add (desktops, desktop);
    }
}

/* Add the domains that are gild's to DESKTOPS.  */
static gboolean
list_domains (GPtrArray *desktops, const Config *config, JsonArray *pins, GError **error)
{
  g_autoptr (virConnect) connection = libvirt_connect (error);
  virDomainPtr *domains = NULL;
  int n = connection ? virConnectListAllDomains (connection, &domains, 0) : -1;

  if (n < 0)
    return connection && libvirt_fail (error, "list domains");
  for (int i = 0; i < n; i++)
    {
      Desktop *desktop = describe (domains[i], config, pins);
      if (desktop)
        g_ptr_array_add (desktops, desktop);
      virDomainFree (domains[i]);
    }
  free (domains);
  return TRUE;
}

static gboolean
is_listed (const GPtrArray *desktops, const char *name)
{
  for (guint i = 0; i < desktops->len; i++)
    if (g_str_equal (((const Desktop *)desktops->pdata[i])->name, name))
      return TRUE;
  return FALSE;
}

/* Add those that libvirt does not know any more, but of which something is kept.  */
static void
list_kept (GPtrArray *desktops, const Config *config)
{
  g_autoptr (GPtrArray) names = kept_names (config, NULL);

  for (guint i = 0; names && i < names->len; i++)
    {
      KeptOverlays *kept =
          is_listed (desktops, names->pdata[i]) ? NULL : kept_load (config, names->pdata[i], NULL);
      if (!kept)
        continue;
      Desktop *desktop = desktop_new (names->pdata[i]);
      desktop->state = "undefined";
      desktop->kept = kept;
      add_pinned_images (desktop, kept->pin);
      g_ptr_array_add (desktops, desktop);
    }
}

static char *
format_size (guint64 bytes)
{
  return bytes ? size_format (bytes) : g_strdup ("-");
}

static const char *
name_of (const Desktop *desktop)
{
  return desktop->directory ? desktop->directory : desktop->name;
}

/* NAMES, joined with ", "; owned by the caller.  */
static char *
join (const GPtrArray *names)
{
  g_autofree char **strings = g_new0 (char *, names->len + 1);

  if (names->len > 0)
    memcpy (strings, names->pdata, names->len * sizeof *strings);
  return g_strjoinv (", ", strings);
}

static void
print_text (GPtrArray *desktops)
{
  g_autoptr (Table) table = table_new ("NAME", "STATE", "OVERLAY", "CAP", "SPILL", "IMAGES", NULL);

  for (guint i = 0; i < desktops->len; i++)
    {
      const Desktop *desktop = desktops->pdata[i];
      g_autofree char *used = format_size (desktop->cap ? desktop->used : 0);
      g_autofree char *cap = format_size (desktop->cap);
      g_autofree char *spilled = format_size (desktop->spilled);
      g_autofree char *images = join (desktop->images);
      table_add (table, name_of (desktop), desktop->state, used, cap, spilled, images, NULL);
    }
  table_print (table);
  for (guint i = 0; i < desktops->len; i++)
    {
      const Desktop *desktop = desktops->pdata[i];
      g_autofree char *updates = join (desktop->updates);
      g_autofree char *kept = desktop->kept ? kept_report_text (desktop->kept) : NULL;
      if (desktop->notice)
        printf ("%s: %s\n", name_of (desktop), desktop->notice);
      if (*updates)
        printf ("%s: update waiting: its next start boots %s\n", name_of (desktop), updates);
      if (desktop->keep)
        printf ("%s: what it writes is kept when it is shut down\n", name_of (desktop));
      if (kept)
        printf ("%s: %s\n", name_of (desktop), kept);
    }
}

static void
add_text (JsonObject *object, const char *member, const char *text)
{
  if (text)
    json_object_set_string_member (object, member, text);
  else
    json_object_set_null_member (object, member);
}

static JsonArray *
to_array (const GPtrArray *names)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < names->len; i++)
    json_array_add_string_element (array, names->pdata[i]);
  return array;
}

static void
print_json (GPtrArray *desktops)
{
  g_autoptr (JsonObject) object = json_object_new ();
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < desktops->len; i++)
    {
      const Desktop *desktop = desktops->pdata[i];
      JsonObject *row = json_object_new ();
      json_object_set_string_member (row, "name", desktop->name);
      add_text (row, "directory", desktop->directory);
      json_object_set_string_member (row, "state", desktop->state);
      json_object_set_array_member (row, "images", to_array (desktop->images));
      json_object_set_array_member (row, "update", to_array (desktop->updates));
      json_object_set_int_member (row, "overlay_used", (gint64)desktop->used);
      json_object_set_int_member (row, "overlay_cap", (gint64)desktop->cap);
      json_object_set_int_member (row, "spill_used", (gint64)desktop->spilled);
      add_text (row, "condition", desktop->condition);
      add_text (row, "notice", desktop->notice);
      json_object_set_boolean_member (row, "keep", desktop->keep);
      if (desktop->kept)
        json_object_set_object_member (row, "kept", kept_report_json (desktop->kept));
      else
        json_object_set_null_member (row, "kept");
      json_array_add_object_element (array, row);
    }
  json_object_set_array_member (object, "desktops", array);
  json_print_object (object);
}

ExitStatus
verb_desktops (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autoptr (GError) error = NULL, control_error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, NULL, "",
          "List the desktops that libvirt knows, and the images that are attached: their state, how full the\n"
          "overlay in RAM is and its cap, what they have written to disk since that was full, and the image\n"
          "versions that they booted, or the channels that they would boot from. What needs attention follows,\n"
          "with what to do.",
          0, 0, &status))
    return status;
  g_autofree char *socket = config_run_path (verb.config, "gildd.sock", NULL);
  g_autoptr (JsonNode) answer =
      control_call (socket, "GET", "/desktops", NULL, TIMEOUT_SECONDS, &control_error);
  JsonObject *object = answer ? json_node_get_object (answer) : NULL;
  JsonArray *pins = object ? json_read_array (object, "desktops", PINS_MAX, &control_error) : NULL;
  g_autoptr (GPtrArray) desktops = g_ptr_array_new_with_free_func (desktop_free);
  list_attachments (desktops, verb.config, pins);
  gboolean complete = list_domains (desktops, verb.config, pins, &error);
  if (!complete && desktops->len == 0)
    return verb_fail (&verb, error);
  if (complete)
    list_kept (desktops, verb.config);
  g_ptr_array_sort (desktops, compare_desktops);
  if (verb.json)
    print_json (desktops);
  else
    print_text (desktops);
  if (!complete)
    return verb_fail (&verb, error);
  if (control_error) // the list stands without it, but for what runs
    return verb_fail (&verb, control_error);
  return EXIT_DONE;
}
