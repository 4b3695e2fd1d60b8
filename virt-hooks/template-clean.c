// SPDX-License-Identifier: GPL-2.0-or-later
// Taking out of a domain's XML what belongs to that one domain, or to the one time that it ran.

#include "template-clean.h"

#include <string.h>

#include "domain-xml.h"

static void
remove_attribute (xmlNode *node, const char *name)
{
  if (node)
    xmlUnsetProp (node, (const xmlChar *)name);
}

/* Call CLEAN for each child NAME of PARENT; it may remove the child.  */
static void
clean_each (xmlNode *parent, const char *name, void (*clean) (xmlNode *node))
{
  xmlNode *next;

  for (xmlNode *node = domain_xml_child (parent, name); node; node = next)
    {
      next = domain_xml_next (node, name);
      clean (node);
    }
}

/* libvirt makes aliases anew, but for those that people gave ("ua-…").  */
static void
clean_alias (xmlNode *alias)
{
  g_autofree char *name = domain_xml_attribute (alias, "name");

  if (!name || !g_str_has_prefix (name, "ua-"))
    domain_xml_remove (alias);
}

static void
clean_device (xmlNode *device)
{
  clean_each (device, "alias", clean_alias);
}

static void
clean_disk (xmlNode *disk)
{
  remove_attribute (domain_xml_child (disk, "source"), "index");
  clean_each (disk, "backingStore", domain_xml_remove);
  clean_each (disk, "mirror", domain_xml_remove);
}

static void
clean_interface (xmlNode *interface)
{
  xmlNode *source = domain_xml_child (interface, "source");

  clean_each (interface, "target", domain_xml_remove);
  remove_attribute (source, "portid");
  if (domain_xml_attribute_is (interface, "type", "network"))
    remove_attribute (source, "bridge");
}

static void
clean_terminal (xmlNode *device)
{
  remove_attribute (device, "tty");
  if (domain_xml_attribute_is (device, "type", "pty"))
    clean_each (device, "source", domain_xml_remove);
  remove_attribute (domain_xml_child (device, "target"), "state");
}

static void
clean_graphics (xmlNode *graphics)
{
  static const char *const PORTS[] = { "port", "tlsPort", "websocket" };

  for (gsize i = 0;
       domain_xml_attribute_is (graphics, "autoport", "yes") && i < G_N_ELEMENTS (PORTS); i++)
    remove_attribute (graphics, PORTS[i]);
}

static void
clean_vsock (xmlNode *vsock)
{
  xmlNode *cid = domain_xml_child (vsock, "cid");

  if (domain_xml_attribute_is (cid, "auto", "yes"))
    remove_attribute (cid, "address");
}

static void
clean_label (xmlNode *label)
{
  if (domain_xml_attribute_is (label, "type", "dynamic") && !domain_xml_child (label, "baselabel"))
    domain_xml_remove (label);
}

/* What only the XML of a running domain has.  */
static void
clean_running (xmlNode *domain)
{
  xmlNode *devices = domain_xml_child (domain, "devices");

  remove_attribute (domain, "id");
  clean_each (domain, "seclabel", clean_label);
  clean_each (devices, "disk", clean_disk);
  clean_each (devices, "interface", clean_interface);
  clean_each (devices, "serial", clean_terminal);
  clean_each (devices, "parallel", clean_terminal);
  clean_each (devices, "console", clean_terminal);
  clean_each (devices, "channel", clean_terminal);
  clean_each (devices, "vsock", clean_vsock);
  for (xmlNode *device = devices ? devices->children : NULL; device; device = device->next)
    clean_device (device);
}

/* libvirt names the guest agent's socket after the domain.  */
static void
clean_channel (xmlNode *channel)
{
  xmlNode *source = domain_xml_child (channel, "source");
  g_autofree char *path = domain_xml_attribute (source, "path");

  if (path && strstr (path, "/channel/target/"))
    domain_xml_remove (source);
}

/* The path goes, so that libvirt chooses one for the new domain; the template for it stays.  */
static void
clean_nvram (xmlNode *nvram)
{
  if (xmlHasProp (nvram, (const xmlChar *)"template"))
    xmlNodeSetContent (nvram, NULL);
  else
    domain_xml_remove (nvram);
}

static void
clean_generation_id (xmlNode *generation_id)
{
  xmlNodeSetContent (generation_id, NULL);
}

void
template_clean (xmlNode *domain)
{
  xmlNode *devices = domain_xml_child (domain, "devices");

  if (xmlHasProp (domain, (const xmlChar *)"id"))
    clean_running (domain);
  clean_each (devices, "channel", clean_channel);
  clean_each (devices, "graphics", clean_graphics);
  clean_each (domain, "genid", clean_generation_id);
  clean_each (domain_xml_child (domain, "os"), "nvram", clean_nvram);
}
