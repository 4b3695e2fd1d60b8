// SPDX-License-Identifier: GPL-2.0-or-later
// What spilling means in libvirt's XML: the snapshot that makes a running desktop write to disk,
// and the persistent definition without it.

#include "spill-xml.h"

#include "qcow-backing/fail.h"
#include "virt-hooks/domain-disk.h"
#include "virt-hooks/domain-xml.h"

char *
spill_overlay_path (const Config *config, const char *name, const char *target)
{
  g_autofree char *file = g_strconcat (target, ".qcow2", NULL);

  return config_state_path (config, "spill", name, file, NULL);
}

static xmlNode *
find_devices (xmlDoc *document)
{
  return domain_xml_child (xmlDocGetRootElement (document), "devices");
}

/* Whether the <source> in PARENT, a <disk> or <backingStore>, is the file PATH.  */
static gboolean
has_source (const xmlNode *parent, const char *path)
{
  g_autofree char *file = domain_xml_attribute (domain_xml_child (parent, "source"), "file");

  return g_strcmp0 (file, path) == 0;
}

gboolean
spill_xml_is_spilled (const Config *config, const char *name, const char *target, const char *xml,
                      gsize size)
{
  g_autofree char *path = spill_overlay_path (config, name, target);
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, size, NULL);

  return document && has_source (domain_disk_find (find_devices (document), target), path);
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
spill_xml_snapshot (const Config *config, const char *name, const GPtrArray *targets,
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
      g_autofree char *path = spill_overlay_path (config, name, target);
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

/* Make DISK what it was before the snapshot.  FALSE where it is no spilled one.  */
static gboolean
restore_disk (const Config *config, const char *name, xmlNode *disk)
{
  g_autofree char *target = domain_disk_target (disk);
  g_autofree char *spill = spill_overlay_path (config, name, target);
  g_autofree char *overlay = domain_disk_overlay_path (config->run_dir, name, target);
  xmlNode *backing = domain_xml_child (disk, "backingStore");

  if (!has_source (disk, spill) || !has_source (backing, overlay))
    return FALSE;
  replace (domain_xml_child (disk, "source"), domain_xml_child (backing, "source"));
  replace (backing, domain_xml_child (backing, "backingStore"));
  return TRUE;
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
