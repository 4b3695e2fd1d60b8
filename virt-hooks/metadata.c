// SPDX-License-Identifier: GPL-2.0-or-later
// gild's metadata in a libvirt domain's XML: which images the domain's disks are.

#include "metadata.h"

#include <string.h>

#include "domain-disk.h"
#include "domain-xml.h"
#include "qcow-backing/channel-record.h"
#include "qcow-backing/console-text.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/size.h"

#define NAMESPACE_OF_ANY_VERSION "urn:gild:desktop:"

gboolean
metadata_is_mentioned (const char *xml, gsize size)
{
  return memmem (xml, size, NAMESPACE_OF_ANY_VERSION, strlen (NAMESPACE_OF_ANY_VERSION)) != NULL;
}

static const char *
namespace_of (const xmlNode *node)
{
  return node->ns && node->ns->href ? (const char *)node->ns->href : "";
}

static gboolean
is_gild_element (const xmlNode *node, const char *name)
{
  return g_str_equal (namespace_of (node), METADATA_NAMESPACE)
         && g_str_equal ((const char *)node->name, name);
}

/* Fails unless ELEMENT, in gild's namespace of some version, is one that this gild knows.  */
static gboolean
check_known (const xmlNode *element, GError **error)
{
  if (!g_str_equal (namespace_of (element), METADATA_NAMESPACE))
    return fail (error,
                 "the metadata's namespace is '%.100s', and this gild knows '" METADATA_NAMESPACE
                 "' alone: write that one, or install the gild that the metadata is for",
                 namespace_of (element));
  if (!is_gild_element (element, "desktop"))
    return fail (error, "unknown element <gild:%.50s>: write <gild:desktop>", element->name);
  return TRUE;
}

xmlNode *
metadata_find_element (const xmlNode *domain, GError **error)
{
  const xmlNode *metadata = domain_xml_child (domain, "metadata");
  xmlNode *found = NULL;

  for (xmlNode *node = metadata ? metadata->children : NULL; node; node = node->next)
    {
      if (node->type != XML_ELEMENT_NODE
          || !g_str_has_prefix (namespace_of (node), NAMESPACE_OF_ANY_VERSION))
        continue;
      if (!check_known (node, error))
        return NULL;
      if (found)
        {
          fail (error, "the metadata has <gild:desktop> twice: leave one");
          return NULL;
        }
      found = node;
    }
  return found;
}

/* Fails where ELEMENT has an attribute that is not in KNOWN, which TAKES lists for people.  */
static gboolean
check_attributes (const xmlNode *element, const char *const known[], const char *takes,
                  GError **error)
{
  for (const xmlAttr *at = element->properties; at; at = at->next)
    if (at->ns || !g_strv_contains (known, (const char *)at->name))
      return fail (error, "unknown attribute '%.50s' of <gild:%s>: it takes %s", at->name,
                   element->name, takes);
  return TRUE;
}

/* Fails where ELEMENT holds anything but comments and elements CHILD (none where that is NULL).  */
static gboolean
check_content (const xmlNode *element, const char *child, GError **error)
{
  for (const xmlNode *node = element->children; node; node = node->next)
    {
      if (node->type == XML_COMMENT_NODE || (node->type == XML_TEXT_NODE && xmlIsBlankNode (node)))
        continue;
      if (node->type != XML_ELEMENT_NODE)
        return fail (error, "<gild:%s> holds text: remove it", element->name);
      if (!child || !is_gild_element (node, child))
        return fail (error, "unknown element <%.50s> in <gild:%s>: %s%s%s", node->name,
                     element->name, child ? "it holds <gild:" : "remove it", child ? child : "",
                     child ? "> alone" : "");
    }
  return TRUE;
}

/* Read the size in attribute NAME of ELEMENT, from MIN to DESKTOP_SIZE_MAX; *PRESENT says whether
   there is one.  */
static gboolean
read_size (const xmlNode *element, const char *name, guint64 min, guint64 *bytes, gboolean *present,
           GError **error)
{
  g_autofree char *text = domain_xml_attribute (element, name);

  *present = text != NULL;
  if (!text)
    return TRUE;
  if (!size_parse (text, bytes, error))
    {
      g_prefix_error (error, "%s: ", name);
      return FALSE;
    }
  if (*bytes < min || *bytes > DESKTOP_SIZE_MAX)
    return fail (error, "%s: %.50s is out of range: write a size from %s to 1024TiB", name, text,
                 min ? "1MiB" : "0");
  return TRUE;
}

void
metadata_disk_free (gpointer data)
{
  MetadataDisk *disk = data;

  g_free (disk->target);
  g_free (disk->image);
  g_free (disk->channel);
  g_free (disk);
}

const MetadataDisk *
metadata_find_disk (const Metadata *metadata, const char *target)
{
  for (guint i = 0; i < metadata->disks->len; i++)
    {
      const MetadataDisk *disk = metadata->disks->pdata[i];
      if (g_str_equal (disk->target, target))
        return disk;
    }
  return NULL;
}

/* The target becomes a file's name, so what it may hold is stated here.  */
static gboolean
check_target (const Metadata *metadata, const char *target, GError **error)
{
  if (!target)
    return fail (
        error,
        "a <gild:disk> has no target: write target='vda', as in the disk's <target dev='vda'/>");
  if (!disk_target_check (target, error))
    return FALSE;
  if (metadata_find_disk (metadata, target))
    return fail (error, "two <gild:disk> have the target %s: leave one", target);
  return TRUE;
}

/* What DISK is to boot: a version of its own, or what a channel names.  */
static gboolean
read_choice (MetadataDisk *disk, const xmlNode *element, GError **error)
{
  g_autofree char *channel = domain_xml_attribute (element, "channel");
  g_autofree char *version = domain_xml_attribute (element, "version");

  if (channel && version)
    return fail (error, "both channel and version are given: leave one out");
  if (version)
    return version_parse (version, &disk->version, error);
  disk->channel = channel ? g_steal_pointer (&channel) : g_strdup (CHANNEL_DEFAULT);
  return channel_name_check (disk->channel, error);
}

static gboolean
read_image (MetadataDisk *disk, const xmlNode *element, GError **error)
{
  disk->image = domain_xml_attribute (element, "image");
  if (!disk->image)
    return fail (error, "no image is given: write image='DEPARTMENT/NAME'");
  return image_name_check (disk->image, error);
}

static gboolean
read_disk (Metadata *metadata, const xmlNode *element, GError **error)
{
  static const char *const KNOWN[] = { "target", "image", "channel", "version", NULL };
  g_autofree char *target = domain_xml_attribute (element, "target");

  if (!check_attributes (element, KNOWN, "target, image, and channel or version", error)
      || !check_content (element, NULL, error) || !check_target (metadata, target, error))
    return FALSE;
  MetadataDisk *disk = g_new0 (MetadataDisk, 1);
  disk->target = g_steal_pointer (&target);
  g_ptr_array_add (metadata->disks, disk);
  if (read_image (disk, element, error) && read_choice (disk, element, error))
    return TRUE;
  g_prefix_error (error, "disk %s: ", disk->target);
  return FALSE;
}

/* The text by which gildd knows that the desktop is up.  */
static gboolean
read_ready (Metadata *metadata, const xmlNode *desktop, GError **error)
{
  metadata->ready = domain_xml_attribute (desktop, "ready");
  if (!metadata->ready || console_text_check (metadata->ready, error))
    return TRUE;
  g_prefix_error (error, "ready: ");
  return FALSE;
}

static gboolean
read_desktop (Metadata *metadata, const xmlNode *desktop, GError **error)
{
  static const char *const KNOWN[] = { "overlay", "spill", "ready", NULL };
  gboolean has_overlay;

  if (!check_attributes (desktop, KNOWN, "overlay, spill and ready", error)
      || !read_ready (metadata, desktop, error) || !check_content (desktop, "disk", error)
      || !read_size (desktop, "overlay", DESKTOP_OVERLAY_MIN, &metadata->overlay_bytes,
                     &has_overlay, error)
      || !read_size (desktop, "spill", 0, &metadata->spill_bytes, &metadata->has_spill, error))
    return FALSE;
  for (const xmlNode *node = desktop->children; node; node = node->next)
    if (node->type == XML_ELEMENT_NODE && !read_disk (metadata, node, error))
      return FALSE;
  if (metadata->disks->len == 0)
    return fail (
        error,
        "<gild:desktop> names no disk: add <gild:disk target='vda' image='DEPARTMENT/NAME'/>");
  if (metadata->disks->len > DESKTOP_DISKS_MAX)
    return fail (error, "<gild:desktop> names %u disks, and may name %u", metadata->disks->len,
                 DESKTOP_DISKS_MAX);
  return TRUE;
}

static gboolean
read_identity (Metadata *metadata, const xmlNode *domain, GError **error)
{
  metadata->name = domain_xml_text (domain_xml_child (domain, "name"));
  metadata->uuid = domain_xml_text (domain_xml_child (domain, "uuid"));
  if (!desktop_name_check (metadata->name, error))
    return FALSE;
  if (!g_uuid_string_is_valid (metadata->uuid))
    return fail (error, "the domain has no <uuid> that is one: '%.50s'", metadata->uuid);
  return TRUE;
}

/* Each of METADATA's disks is one of DOMAIN's, and the other way round.  */
static gboolean
check_disks (const Metadata *metadata, const xmlNode *domain, const char *run_dir, GError **error)
{
  const xmlNode *devices = domain_xml_child (domain, "devices");

  for (guint i = 0; i < metadata->disks->len; i++)
    {
      const MetadataDisk *disk = metadata->disks->pdata[i];
      if (!domain_disk_check (domain_disk_find (devices, disk->target), run_dir, metadata->name,
                              disk->target, error))
        {
          g_prefix_error (error, "disk %s: ", disk->target);
          return FALSE;
        }
    }
  for (xmlNode *disk = domain_xml_child (devices, "disk"); disk;
       disk = domain_xml_next (disk, "disk"))
    {
      g_autofree char *target = domain_disk_target (disk);
      if (domain_disk_is_overlay (disk, run_dir) && !metadata_find_disk (metadata, target))
        return fail (
            error,
            "the domain's disk %.50s lies in %s/desktops, and <gild:desktop> does not name it: add <gild:disk target='%.50s' image='DEPARTMENT/NAME'/>, or remove the disk",
            target, run_dir, target);
    }
  return TRUE;
}

Metadata *
metadata_parse (const char *xml, gsize size, const char *run_dir, GError **error)
{
  if (!metadata_is_mentioned (xml, size))
    return NULL;

  g_autoptr (Metadata) metadata = g_new0 (Metadata, 1);
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, size, error);
  const xmlNode *domain = document ? xmlDocGetRootElement (document) : NULL;
  const xmlNode *desktop = domain ? metadata_find_element (domain, error) : NULL;

  metadata->disks = g_ptr_array_new_with_free_func (metadata_disk_free);
  if (!desktop || !read_desktop (metadata, desktop, error)
      || !read_identity (metadata, domain, error)
      || !check_disks (metadata, domain, run_dir, error))
    return NULL;
  return g_steal_pointer (&metadata);
}

void
metadata_free (Metadata *metadata)
{
  if (!metadata)
    return;
  g_free (metadata->name);
  g_free (metadata->uuid);
  g_free (metadata->ready);
  g_clear_pointer (&metadata->disks, g_ptr_array_unref);
  g_free (metadata);
}
