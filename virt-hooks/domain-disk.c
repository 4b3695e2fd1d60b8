// SPDX-License-Identifier: GPL-2.0-or-later
// The <disk> elements of a domain, and what one must be to hold an overlay.

#include "domain-disk.h"

#include "domain-xml.h"
#include "qcow-backing/fail.h"

#define DRIVER                                                                                     \
  "<driver name='qemu' type='qcow2' discard='unmap' detect_zeroes='unmap' "                        \
  "error_policy='stop' rerror_policy='stop'/>"

char *
domain_disk_overlay_path (const char *run_dir, const char *name, const char *target)
{
  g_autofree char *file = g_strconcat (target, ".qcow2", NULL);

  return g_build_filename (run_dir, "desktops", name, file, NULL);
}

char *
domain_disk_target (const xmlNode *disk)
{
  char *target = domain_xml_attribute (domain_xml_child (disk, "target"), "dev");

  return target ? target : g_strdup ("");
}

xmlNode *
domain_disk_find (const xmlNode *devices, const char *target)
{
  for (xmlNode *disk = domain_xml_child (devices, "disk"); disk;
       disk = domain_xml_next (disk, "disk"))
    {
      g_autofree char *actual = domain_disk_target (disk);
      if (g_str_equal (actual, target))
        return disk;
    }
  return NULL;
}

gboolean
domain_disk_is_overlay (const xmlNode *disk, const char *run_dir)
{
  static const char *const PLACES[] = { "file", "dev", "dir" };
  g_autofree char *run = g_canonicalize_filename (run_dir, "/");
  g_autofree char *below = g_build_filename (run, "desktops/", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (PLACES); i++)
    {
      g_autofree char *place = domain_xml_attribute (domain_xml_child (disk, "source"), PLACES[i]);
      g_autofree char *path = place ? g_canonicalize_filename (place, "/") : NULL;
      if (path && g_str_has_prefix (path, below))
        return TRUE;
    }
  return FALSE;
}

/* Whether attribute NAME of ELEMENT is VALUE, or OTHER where that is not NULL; DEFAULT_VALUE is
   what libvirt takes it for when it is not there.  */
static gboolean
attribute_is (const xmlNode *element, const char *name, const char *value, const char *other,
              const char *default_value)
{
  g_autofree char *text = domain_xml_attribute (element, name);
  const char *actual = text ? text : default_value;

  return g_strcmp0 (actual, value) == 0 || (other && g_strcmp0 (actual, other) == 0);
}

/* What would make libvirt or QEMU see something else than the overlay over its image.  */
static gboolean
check_children (const xmlNode *disk, GError **error)
{
  static const struct
  {
    const char *name, *reason;
  } REFUSED[] = {
    { "transient", "libvirt would put an overlay of its own on top; gild's goes by itself" },
    { "backingStore", "it hides the image below the overlay from QEMU" },
    { "mirror", "a copy that was running cannot be taken up" },
    { "shareable", "an overlay belongs to one desktop" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (REFUSED); i++)
    if (domain_xml_child (disk, REFUSED[i].name))
      return fail (error, "remove <%s> from its <disk>: %s", REFUSED[i].name, REFUSED[i].reason);
  return TRUE;
}

static gboolean
check_source (const xmlNode *disk, const char *path, GError **error)
{
  const xmlNode *source = domain_xml_child (disk, "source");
  g_autofree char *file = domain_xml_attribute (source, "file");
  g_autofree char *policy = domain_xml_attribute (source, "startupPolicy");

  if (g_strcmp0 (file, path) != 0)
    return fail (error, "its source is '%.200s': write <source file='%s'/>", file ? file : "",
                 path);
  if (policy)
    return fail (
        error, "remove startupPolicy from its <source>: the desktop could start without the disk");
  for (const xmlNode *node = source->children; node; node = node->next)
    if (node->type == XML_ELEMENT_NODE && !domain_xml_is (node, "seclabel"))
      return fail (error, "remove <%.50s> from its <source>: an overlay is a plain file",
                   node->name);
  return TRUE;
}

static gboolean
check_driver (const xmlNode *disk, GError **error)
{
  const xmlNode *driver = domain_xml_child (disk, "driver");

  if (!attribute_is (driver, "type", "qcow2", NULL, NULL))
    return fail (error, "its driver's type is not qcow2: write " DRIVER);
  if (!attribute_is (driver, "error_policy", "stop", "enospace", NULL))
    return fail (error, "a full overlay would give the guest I/O errors: write " DRIVER);
  if (!attribute_is (driver, "rerror_policy", "stop", NULL, NULL))
    return fail (error, "a lost image would give the guest I/O errors: write " DRIVER);
  if (attribute_is (driver, "copy_on_read", "on", NULL, NULL))
    return fail (error, "copy_on_read='on' would fill the overlay with what is read: leave it out");
  if (attribute_is (driver, "cache", "none", "directsync", NULL)
      || attribute_is (driver, "io", "native", NULL, NULL))
    return fail (
        error,
        "an overlay in RAM cannot be opened without the host's cache: leave out cache= and io=");
  return TRUE;
}

gboolean
domain_disk_check (const xmlNode *disk, const char *run_dir, const char *name, const char *target,
                   GError **error)
{
  g_autofree char *path = domain_disk_overlay_path (run_dir, name, target);

  if (!disk)
    return fail (
        error,
        "the domain has no <disk> with <target dev='%s'/>: add it, or remove the <gild:disk>",
        target);
  if (!attribute_is (disk, "type", "file", NULL, "file"))
    return fail (error, "its <disk> is not a file: write <disk type='file' device='disk'>");
  if (!attribute_is (disk, "device", "disk", NULL, "disk"))
    return fail (error, "its <disk> is not a disk: write <disk type='file' device='disk'>");
  return check_children (disk, error) && check_source (disk, path, error)
         && check_driver (disk, error);
}
