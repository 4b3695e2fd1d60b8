// SPDX-License-Identifier: GPL-2.0-or-later
// The screens of a domain, <graphics>: who reaches them, and where.
//
// Format: https://libvirt.org/formatdomain.html#graphical-framebuffers

#include "domain-screen.h"

#include "domain-xml.h"

#define LOOPBACK "127.0.0.1"

/* Whether GRAPHICS is a screen that others may connect to.  */
static gboolean
is_screen (const xmlNode *graphics)
{
  return domain_xml_attribute_is (graphics, "type", "vnc")
         || domain_xml_attribute_is (graphics, "type", "spice");
}

/* The first screen of DEVICES, or the next one after GRAPHICS.  */
static xmlNode *
next_screen (const xmlNode *devices, const xmlNode *graphics)
{
  xmlNode *next =
      graphics ? domain_xml_next (graphics, "graphics") : domain_xml_child (devices, "graphics");

  while (next && !is_screen (next))
    next = domain_xml_next (next, "graphics");
  return next;
}

/* What its first <listen> says; "socket" also for the older form of that.  */
static char *
listen_type (const xmlNode *graphics)
{
  g_autofree char *socket = domain_xml_attribute (graphics, "socket");

  return socket ? g_strdup ("socket")
                : domain_xml_attribute (domain_xml_child (graphics, "listen"), "type");
}

static void
restrict_one (xmlNode *graphics, const char *password)
{
  static const char *const PLACES[] = { "listen",  "socket",    "port",
                                        "tlsPort", "websocket", "passwdValidTo" };
  g_autofree char *type = listen_type (graphics);
  gboolean has_address = g_strcmp0 (type, "socket") != 0 && g_strcmp0 (type, "none") != 0;
  xmlNode *child;

  for (gsize i = 0; i < G_N_ELEMENTS (PLACES); i++)
    xmlUnsetProp (graphics, (const xmlChar *)PLACES[i]);
  while ((child = domain_xml_child (graphics, "listen")))
    domain_xml_remove (child);
  child = xmlNewChild (graphics, NULL, (const xmlChar *)"listen", NULL);
  domain_xml_set_attribute (child, "type", has_address ? "address" : type);
  if (has_address)
    {
      domain_xml_set_attribute (child, "address", LOOPBACK);
      domain_xml_set_attribute (graphics, "autoport", "yes");
    }
  else
    xmlUnsetProp (graphics, (const xmlChar *)"autoport");
  domain_xml_set_attribute (graphics, "passwd", password);
}

void
domain_screen_restrict (xmlNode *devices, const char *password)
{
  if (!next_screen (devices, NULL))
    domain_xml_set_attribute (xmlNewChild (devices, NULL, (const xmlChar *)"graphics", NULL),
                              "type", "vnc");
  for (xmlNode *screen = NULL; (screen = next_screen (devices, screen));)
    restrict_one (screen, password);
}

/* "vnc://127.0.0.1:5900"; of a SPICE screen with TLS alone "spice://127.0.0.1?tls-port=5901".  */
static char *
address_of (const xmlNode *screen)
{
  const xmlNode *listens = domain_xml_child (screen, "listen");
  g_autofree char *type = domain_xml_attribute (screen, "type");
  g_autofree char *path = domain_xml_attribute (listens, "socket");
  g_autofree char *host = domain_xml_attribute (listens, "address");
  g_autofree char *port = domain_xml_attribute (screen, "port");
  g_autofree char *tls_port = domain_xml_attribute (screen, "tlsPort");

  if (path)
    return g_strdup_printf ("%s+unix://%s", type, path);
  if (host && port && port[0] != '-')
    return g_strdup_printf ("%s://%s:%s", type, host, port);
  return host && tls_port ? g_strdup_printf ("%s://%s?tls-port=%s", type, host, tls_port) : NULL;
}

char *
domain_screen_address (const char *xml, gsize size)
{
  g_autoptr (xmlDoc) document = domain_xml_parse (xml, size, NULL);
  xmlNode *domain = document ? xmlDocGetRootElement (document) : NULL;
  const xmlNode *screen = domain ? next_screen (domain_xml_child (domain, "devices"), NULL) : NULL;

  return screen ? address_of (screen) : NULL;
}
