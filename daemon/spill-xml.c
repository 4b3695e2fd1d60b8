// SPDX-License-Identifier: GPL-2.0-or-later
// What spilling means in libvirt's XML: the snapshot that makes a running desktop write to disk,
// and the persistent definition without it.

#include "spill-xml.h"

#include "qcow-backing/fail.h"
#include "virt-hooks/domain-disk.h"
#include "virt-hooks/domain-xml.h"

static xmlNode *
find_devices (xmlDoc *document)
{
  return domain_xml_child (xmlDocGetRootElement (document), "devices");
}

/* Which layer of disk TARGET the <source> in PARENT, a <disk> or <backingStore>, is: 0 is that in
   RAM; -1: none.  */
static int
layer_of (const Config *config, const char *name, const char *target, const xmlNode *parent)
{
  g_autofree char *file = domain_xml_attribute (domain_xml_child (parent, "source"), "file");

  for (guint layer = 0; file && layer <= SPILL_LAYERS_MAX; layer++)
    {
      g_autofree char *path = layer ? spill_layer_path (config, name, target, layer)
                                    : domain_disk_overlay_path (config->run_dir, name, target);
      if (g_str_equal (file, path))
        return (int)layer;
    }
  return -1;
}

guint
spill_xml_layer (const Config *config, const char *name, const char *target, const char *xml,
                 gsize size)
{
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, size, NULL);
  int layer =
      document ? layer_of (config, name, target, domain_disk_find (find_devices (document), target))
               : 0;

  return (guint)MAX (layer, 0);
}

static void
add_disk (GString *snapshot, const char *target, const char *path)
{
  g_autofree char *escaped_target = g_markup_escape_text (target, -1);
  g_autofree char *escaped_path = path ? g_markup_escape_text (path, -1) : NULL;

  if (path)
    g_string_append_printf (snapshot,
                            "<disk name='%s' snapshot='external' type='file'>"
                            "<driver type='qcow2'/><source file='%s'/></disk>",
                            escaped_target, escaped_path);
  else
    g_string_append_printf (snapshot, "<disk name='%s' snapshot='no'/>", escaped_target);
}

static gboolean
contains (const GPtrArray *targets, const char *target)
{
  for (guint i = 0; i < targets->len; i++)
    if (g_str_equal (targets->pdata[i], target))
      return TRUE;
  return FALSE;
}

char *
spill_xml_snapshot (const Config *config, const char *name, const GPtrArray *targets, guint layer,
                    const char *xml, gsize size, GError **error)
{
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, size, error);
  g_autoptr (GString) snapshot = g_string_new ("<domainsnapshot><disks>");

  if (!document)
    return NULL;
  for (const xmlNode *disk = domain_xml_child (find_devices (document), "disk"); disk;
       disk = domain_xml_next (disk, "disk"))
    {
      g_autofree char *target = domain_disk_target (disk);
      g_autofree char *path = spill_layer_path (config, name, target, layer);
      add_disk (snapshot, target, contains (targets, target) ? path : NULL);
    }
  g_string_append (snapshot, "</disks></domainsnapshot>");
  return g_string_free (g_steal_pointer (&snapshot), FALSE);
}

/* Put NEW, which may be NULL, in the place of OLD.  */
static void
replace (xmlNode *old, xmlNode *new)
{
  if (new)
    {
      xmlUnlinkNode (new);
      xmlReplaceNode (old, new);
      xmlFreeNode (old);
    }
  else
    domain_xml_remove (old);
}

/* Make DISK what it was before the snapshots.  FALSE where it is no spilled one.  */
static gboolean
restore_disk (const Config *config, const char *name, xmlNode *disk)
{
  g_autofree char *target = domain_disk_target (disk);
  gboolean changed = FALSE;
  xmlNode *backing;

  // Down to the overlay in RAM, or to what is not gild's; libvirt may have left out layers.
  while ((backing = domain_xml_child (disk, "backingStore")))
    {
      int above = layer_of (config, name, target, disk);
      int below = layer_of (config, name, target, backing);
      if (below < 0 || below >= above)
        break;
      replace (domain_xml_child (disk, "source"), domain_xml_child (backing, "source"));
      replace (backing, domain_xml_child (backing, "backingStore"));
      changed = TRUE;
    }
  return changed;
}

char *
spill_xml_restore (const Config *config, const char *name, const char *xml, gsize size,
                   GError **error)
{
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, size, error);
  gboolean changed = FALSE;
  xmlChar *text = NULL;
  int length;

  if (!document)
    return NULL;
  for (xmlNode *disk = domain_xml_child (find_devices (document), "disk"); disk;
       disk = domain_xml_next (disk, "disk"))
    changed = restore_disk (config, name, disk) || changed;
  if (!changed)
    return NULL;
  xmlDocDumpMemoryEnc (document, &text, &length, "UTF-8");
  char *restored = g_strdup ((const char *)text);
  xmlFree (text);
  return restored;
}
