// SPDX-License-Identifier: GPL-2.0-or-later
// Templates: a domain's XML with gild's metadata, from which any number of desktops are made.

#include "template.h"

#include <string.h>

#include "domain-disk.h"
#include "domain-xml.h"
#include "metadata.h"
#include "qcow-backing/fail.h"
#include "template-clean.h"

#define CREDENTIAL  "io.systemd.credential:system.hostname="
#define DIGEST_SIZE 32

static void
set_text (xmlNode *node, const char *text)
{
  xmlNodeSetContent (node, NULL);
  xmlNodeAddContent (node, (const xmlChar *)text);
}

/* The child NAME of PARENT; a new one, behind AFTER or else at the end, where there is none.  */
static xmlNode *
ensure_child (xmlNode *parent, const char *name, xmlNode *after)
{
  xmlNode *child = domain_xml_child (parent, name);

  if (child)
    return child;
  child = xmlNewDocNode (parent->doc, NULL, (const xmlChar *)name, NULL);
  return after ? xmlAddNextSibling (after, child) : xmlAddChild (parent, child);
}

/* SHA-256 of KIND, the site and the desktop, and what WITHIN says of it.  */
static void
digest_of (const char *kind, const TemplateValues *values, const char *within,
           guint8 digest[DIGEST_SIZE])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize size = DIGEST_SIZE;

  g_checksum_update (checksum, (const guchar *)kind, -1);
  g_checksum_update (checksum, (const guchar *)values->site_uuid, -1);
  g_checksum_update (checksum, (const guchar *)values->name, -1);
  g_checksum_update (checksum, (const guchar *)within, -1);
  g_checksum_get_digest (checksum, digest, &size);
}

/* A UUID of version 8 (RFC 9562, section 5.8).  */
static char *
make_uuid (const TemplateValues *values)
{
  guint8 d[DIGEST_SIZE];

  digest_of ("gild-desktop", values, "", d);
  d[6] = (d[6] & 0x0f) | 0x80;
  d[8] = (d[8] & 0x3f) | 0x80;
  return g_strdup_printf ("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                          d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11],
                          d[12], d[13], d[14], d[15]);
}

static void
set_identity (xmlNode *domain, const TemplateValues *values)
{
  g_autofree char *uuid = make_uuid (values);
  xmlNode *name = ensure_child (domain, "name", NULL);

  domain_xml_set_attribute (domain, "type", values->virt_type);
  set_text (name, values->name);
  set_text (ensure_child (domain, "uuid", name), uuid);
}

/* Remove the child NAME of PARENT whose attribute is VALUE (not looked at where ATTRIBUTE is NULL).
 */
static void
remove_child (xmlNode *parent, const char *name, const char *attribute, const char *value)
{
  xmlNode *next;

  for (xmlNode *child = domain_xml_child (parent, name); child; child = next)
    {
      g_autofree char *actual = attribute ? domain_xml_attribute (child, attribute) : NULL;
      next = domain_xml_next (child, name);
      if (!attribute || g_strcmp0 (actual, value) == 0)
        domain_xml_remove (child);
    }
}

/* Host and emulator each have a mode that gives the guest all they have; any other mode is the
   administrator's choice.  What Windows knows Hyper-V by is KVM's to give.  */
static void
set_cpu (xmlNode *domain, const TemplateValues *values)
{
  gboolean is_kvm = g_str_equal (values->virt_type, "kvm");
  xmlNode *cpu = ensure_child (domain, "cpu", domain_xml_child (domain, "os"));
  g_autofree char *mode = domain_xml_attribute (cpu, "mode");

  if (!cpu->properties || g_strcmp0 (mode, "host-passthrough") == 0
      || g_strcmp0 (mode, "maximum") == 0)
    domain_xml_set_attribute (cpu, "mode", is_kvm ? "host-passthrough" : "maximum");
  if (is_kvm)
    return;
  remove_child (domain_xml_child (domain, "features"), "hyperv", NULL, NULL);
  remove_child (domain_xml_child (domain, "clock"), "timer", "name", "hypervclock");
}

static void
set_interfaces (xmlNode *devices, const TemplateValues *values)
{
  guint number = 0;

  for (xmlNode *interface = domain_xml_child (devices, "interface"); interface;
       interface = domain_xml_next (interface, "interface"))
    {
      // No name holds a '/', so name and number cannot run into each other.
      g_autofree char *within = g_strdup_printf ("/%u", number++);
      guint8 d[DIGEST_SIZE];
      digest_of ("gild-interface", values, within, d);
      g_autofree char *mac = g_strdup_printf ("52:54:%02x:%02x:%02x:%02x", d[0], d[1], d[2], d[3]);
      domain_xml_set_attribute (ensure_child (interface, "mac", NULL), "address", mac);
    }
}

/* A log file that was named after the template is named after the desktop.  */
static void
set_log_files (xmlNode *devices, const char *old_name, const TemplateValues *values)
{
  for (xmlNode *device = devices->children; device && old_name[0]; device = device->next)
    {
      xmlNode *log = domain_xml_child (device, "log");
      g_autofree char *path = domain_xml_attribute (log, "file");
      const char *slash = path ? strrchr (path, '/') : NULL;
      if (!slash || !g_str_has_prefix (slash + 1, old_name)
          || !strchr ("-._", slash[1 + strlen (old_name)]))
        continue;
      g_autofree char *directory = g_strndup (path, (gsize)(slash - path));
      g_autofree char *renamed =
          g_strdup_printf ("%s/%s%s", directory, values->name, slash + 1 + strlen (old_name));
      domain_xml_set_attribute (log, "file", renamed);
    }
}

/* The source of DISK becomes the overlay TARGET and nothing else.  */
static void
set_source (xmlNode *disk, const char *target, const TemplateValues *values)
{
  g_autofree char *path = domain_disk_overlay_path (values->run_dir, values->name, target);
  xmlNode *source = domain_xml_child (disk, "source");

  if (source)
    domain_xml_remove (source);
  source = ensure_child (disk, "source", domain_xml_child (disk, "driver"));
  domain_xml_set_attribute (source, "file", path);
}

static void
set_version (xmlNode *gild_disk, const TemplateValues *values)
{
  g_autofree char *version = g_strdup_printf ("%u", values->version);

  if (!values->version)
    return;
  xmlUnsetProp (gild_disk, (const xmlChar *)"channel");
  domain_xml_set_attribute (gild_disk, "version", version);
}

static gboolean
set_image (xmlNode *gild_disk, const TemplateValues *values, GError **error)
{
  if (values->image)
    {
      domain_xml_set_attribute (gild_disk, "image", values->image);
      // The number of another image's version says nothing about this one.
      xmlUnsetProp (gild_disk, (const xmlChar *)"version");
      set_version (gild_disk, values);
    }
  else if (!xmlHasProp (gild_disk, (const xmlChar *)"image"))
    return fail (error, "the template names no image: give one with --image DEPARTMENT/NAME");
  return TRUE;
}

static gboolean
set_disks (xmlNode *devices, xmlNode *desktop, const TemplateValues *values, GError **error)
{
  gboolean is_first = TRUE;

  for (xmlNode *gild_disk = desktop->children; gild_disk; gild_disk = gild_disk->next)
    {
      if (gild_disk->type != XML_ELEMENT_NODE)
        continue;
      g_autofree char *target = domain_xml_attribute (gild_disk, "target");
      xmlNode *disk = target ? domain_disk_find (devices, target) : NULL;
      if (disk)
        set_source (disk, target, values);
      if (is_first && !set_image (gild_disk, values, error))
        return FALSE;
      is_first = FALSE;
    }
  return TRUE;
}

/* The <sysinfo type='smbios'> of DOMAIN.  */
static xmlNode *
ensure_smbios (xmlNode *domain)
{
  xmlNode *sysinfo = domain_xml_child (domain, "sysinfo");

  for (; sysinfo; sysinfo = domain_xml_next (sysinfo, "sysinfo"))
    {
      g_autofree char *type = domain_xml_attribute (sysinfo, "type");
      if (g_strcmp0 (type, "smbios") == 0)
        return sysinfo;
    }
  sysinfo = xmlNewDocNode (domain->doc, NULL, (const xmlChar *)"sysinfo", NULL);
  domain_xml_set_attribute (sysinfo, "type", "smbios");
  return xmlAddNextSibling (domain_xml_child (domain, "os"), sysinfo);
}

/* Remove the entries of PARENT whose name is NAME, if that is not NULL, and whose text starts with
   PREFIX.  */
static void
remove_entries (xmlNode *parent, const char *name, const char *prefix)
{
  xmlNode *next;

  for (xmlNode *entry = domain_xml_child (parent, "entry"); entry; entry = next)
    {
      g_autofree char *actual = domain_xml_attribute (entry, "name");
      g_autofree char *text = domain_xml_text (entry);
      next = domain_xml_next (entry, "entry");
      if ((name && g_strcmp0 (actual, name) != 0) || !g_str_has_prefix (text, prefix))
        continue;
      domain_xml_remove (entry);
    }
}

/* The guest's host name: the serial number is where cloud-init looks (its NoCloud source), the OEM
   string is where systemd looks (systemd.system-credentials(7)).  */
static void
set_smbios (xmlNode *domain, const TemplateValues *values)
{
  g_autofree char *serial = g_strconcat ("ds=nocloud;h=", values->name, NULL);
  g_autofree char *credential = g_strconcat (CREDENTIAL, values->name, NULL);
  xmlNode *smbios = ensure_smbios (domain);
  xmlNode *system = ensure_child (smbios, "system", domain_xml_child (smbios, "bios"));
  xmlNode *strings = ensure_child (smbios, "oemStrings", NULL);

  domain_xml_set_attribute (ensure_child (domain_xml_child (domain, "os"), "smbios", NULL), "mode",
                            "sysinfo");
  remove_entries (system, "serial", "");
  remove_entries (system, "uuid", ""); // libvirt fills in the domain's
  remove_entries (strings, NULL, CREDENTIAL);
  xmlNode *entry =
      xmlNewTextChild (system, NULL, (const xmlChar *)"entry", (const xmlChar *)serial);
  domain_xml_set_attribute (entry, "name", "serial");
  xmlNewTextChild (strings, NULL, (const xmlChar *)"entry", (const xmlChar *)credential);
}

static gboolean
fill_in (xmlNode *domain, const TemplateValues *values, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *old_name = domain_xml_text (domain_xml_child (domain, "name"));
  xmlNode *devices = domain_xml_child (domain, "devices");
  xmlNode *desktop = metadata_find_element (domain, &cause);

  if (cause)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!desktop)
    return fail (
        error,
        "the template has no metadata of gild: add <gild:desktop xmlns:gild='" METADATA_NAMESPACE
        "'><gild:disk target='vda'/></gild:desktop> to its <metadata>");
  if (!devices || !domain_xml_child (domain, "os"))
    return fail (error, "the template has no <os> or no <devices>: start from an installed one");
  template_clean (domain);
  set_identity (domain, values);
  set_cpu (domain, values);
  set_interfaces (devices, values);
  set_log_files (devices, old_name, values);
  set_smbios (domain, values);
  return set_disks (devices, desktop, values, error);
}

/* What stands before and behind the <domain> is about the template.  */
static void
remove_outer_comments (xmlDoc *document)
{
  xmlNode *next;

  for (xmlNode *node = document->children; node; node = next)
    {
      next = node->next;
      if (node->type == XML_COMMENT_NODE)
        domain_xml_remove (node);
    }
}

char *
template_render (const char *xml, gsize size, const TemplateValues *values, GError **error)
{
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, size, error);

  if (!document || !fill_in (xmlDocGetRootElement (document), values, error))
    return NULL;
  remove_outer_comments (document);
  g_autofree char *text = domain_xml_to_text (document);
  g_autoptr (Metadata) metadata = metadata_parse (text, strlen (text), values->run_dir, error);
  return metadata ? g_steal_pointer (&text) : NULL;
}
