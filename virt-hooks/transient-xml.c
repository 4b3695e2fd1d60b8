// SPDX-License-Identifier: GPL-2.0-or-later
// The XML of a VM that runs once, for a purpose, made from that of a desktop.

#include "transient-xml.h"

#include "domain-disk.h"
#include "domain-screen.h"
#include "domain-xml.h"
#include "metadata.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/size.h"

#define AGENT "org.qemu.guest_agent.0"

/* The child NAME of PARENT, made where there is none.  */
static xmlNode *
ensure_child (xmlNode *parent, const char *name)
{
  xmlNode *child = domain_xml_child (parent, name);

  return child ? child : xmlNewChild (parent, NULL, (const xmlChar *)name, NULL);
}

static void
remove_children (xmlNode *parent, const char *name)
{
  xmlNode *child;

  while ((child = domain_xml_child (parent, name)))
    domain_xml_remove (child);
}

static void
set_text (xmlNode *domain, const char *name, const char *text)
{
  xmlNodeSetContent (ensure_child (domain, name), (const xmlChar *)text);
}

static void
set_memory (xmlNode *domain, guint64 bytes)
{
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, bytes / KiB);

  if (bytes == 0)
    return;
  remove_children (domain, "currentMemory");
  set_text (domain, "memory", number); // where it stands: libvirt's schema wants that
  domain_xml_set_attribute (domain_xml_child (domain, "memory"), "unit", "KiB");
}

/* A template may keep what the guest says in a file of its own, which is not for this VM.  */
static void
set_console (xmlNode *devices)
{
  remove_children (devices, "console");
  remove_children (devices, "serial");
  domain_xml_set_attribute (ensure_child (devices, "serial"), "type", "pty");
}

static void
ensure_agent (xmlNode *devices)
{
  for (xmlNode *channel = domain_xml_child (devices, "channel"); channel;
       channel = domain_xml_next (channel, "channel"))
    {
      g_autofree char *name = domain_xml_attribute (domain_xml_child (channel, "target"), "name");
      if (g_strcmp0 (name, AGENT) == 0)
        return;
    }
  xmlNode *channel = xmlNewChild (devices, NULL, (const xmlChar *)"channel", NULL);
  domain_xml_set_attribute (channel, "type", "unix");
  xmlNode *target = xmlNewChild (channel, NULL, (const xmlChar *)"target", NULL);
  domain_xml_set_attribute (target, "type", "virtio");
  domain_xml_set_attribute (target, "name", AGENT);
}

/* pvpanic: its driver is in every Linux, and those of Windows are virtio-win's.  */
static void
ensure_panic (xmlNode *devices)
{
  if (!domain_xml_child (devices, "panic"))
    domain_xml_set_attribute (ensure_child (devices, "panic"), "model", "isa");
}

/* SeaBIOS would stay where it is, with a word on the screen.  */
static void
set_boot_failure (xmlNode *domain)
{
  xmlNode *os = domain_xml_child (domain, "os");

  if (!domain_xml_child (os, "kernel"))
    domain_xml_set_attribute (ensure_child (os, "bios"), "rebootTimeout", "0");
}

/* Make the first of the images' disks the file PATH, and the domain none of the hook's.  */
static gboolean
set_disk (xmlNode *domain, const char *path, GError **error)
{
  xmlNode *desktop = metadata_find_element (domain, error);
  xmlNode *gild_disk = desktop ? xmlFirstElementChild (desktop) : NULL;
  g_autofree char *target = gild_disk ? domain_xml_attribute (gild_disk, "target") : NULL;
  xmlNode *disk = target ? domain_disk_find (domain_xml_child (domain, "devices"), target) : NULL;

  if (!disk)
    return fail (error, "the template has no disk of an image");
  xmlNode *source = ensure_child (disk, "source");
  xmlNode *next = gild_disk;
  while ((next = xmlNextElementSibling (next)))
    {
      g_autofree char *other = domain_xml_attribute (next, "target");
      xmlNode *unwanted = domain_disk_find (domain_xml_child (domain, "devices"), other);
      if (unwanted)
        domain_xml_remove (unwanted);
    }
  domain_xml_set_attribute (source, "file", path);
  domain_xml_remove (desktop);
  return TRUE;
}

char *
transient_xml (const char *xml, gsize size, const TransientValues *values, GError **error)
{
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, size, error);
  xmlNode *domain = document ? xmlDocGetRootElement (document) : NULL;
  xmlNode *devices = domain ? domain_xml_child (domain, "devices") : NULL;

  if (!domain)
    return NULL;
  if (values->disk && !set_disk (domain, values->disk, error))
    return NULL;
  if (values->password)
    domain_screen_restrict (devices, values->password);
  set_memory (domain, values->memory_bytes);
  set_console (devices);
  ensure_agent (devices);
  ensure_panic (devices);
  set_boot_failure (domain);
  set_text (domain, "on_poweroff", "destroy");
  set_text (domain, "on_reboot", "restart"); // so that a reset can be told from turning it off
  set_text (domain, "on_crash", "preserve"); // so that its last picture can be taken
  return domain_xml_to_text (document);
}
