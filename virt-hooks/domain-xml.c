// SPDX-License-Identifier: GPL-2.0-or-later
// Reading a libvirt domain's XML: parsed without reaching for anything outside it, and walked by
// element names.

#include "domain-xml.h"

#include <libxml/parser.h>

#include "qcow-backing/fail.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlParserCtxt, xmlFreeParserCtxt)

static const char *
parser_message (xmlParserCtxt *parser)
{
  const xmlError *cause = xmlCtxtGetLastError (parser);

  return cause && cause->message ? g_strchomp (cause->message) : "it is not XML";
}

xmlDoc *
domain_xml_parse (const char *xml, gsize size, GError **error)
{
  g_autoptr (xmlParserCtxt) parser = xmlNewParserCtxt ();
  g_autoptr (xmlDoc) document = NULL;

  if (size > DOMAIN_XML_SIZE_MAX)
    fail (error, "the domain's XML is larger than %u MiB", DOMAIN_XML_SIZE_MAX >> 20);
  else if (!(document = xmlCtxtReadMemory (parser, xml, (int)size, "domain.xml", NULL,
                                           XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING
                                               | XML_PARSE_NOBLANKS)))
    fail (error, "the domain's XML cannot be read: line %d: %s",
          xmlCtxtGetLastError (parser) ? xmlCtxtGetLastError (parser)->line : 1,
          parser_message (parser));
  else if (xmlGetIntSubset (document))
    fail (error, "the domain's XML has a document type: remove the <!DOCTYPE>");
  else if (!domain_xml_is (xmlDocGetRootElement (document), "domain"))
    fail (error, "this is not a domain's XML: its first element must be <domain>");
  else
    return g_steal_pointer (&document);
  return NULL;
}

gboolean
domain_xml_is (const xmlNode *node, const char *name)
{
  return node && node->type == XML_ELEMENT_NODE && !node->ns
         && g_str_equal ((const char *)node->name, name);
}

static xmlNode *
find_from (xmlNode *node, const char *name)
{
  while (node && !domain_xml_is (node, name))
    node = node->next;
  return node;
}

xmlNode *
domain_xml_child (const xmlNode *parent, const char *name)
{
  return parent ? find_from (parent->children, name) : NULL;
}

xmlNode *
domain_xml_next (const xmlNode *node, const char *name)
{
  return node ? find_from (node->next, name) : NULL;
}

/* TEXT, which libxml2 allocated, as GLib's.  */
static char *
take (xmlChar *text)
{
  char *copy = g_strdup ((const char *)text);

  xmlFree (text);
  return copy;
}

char *
domain_xml_attribute (const xmlNode *node, const char *name)
{
  return node ? take (xmlGetNoNsProp (node, (const xmlChar *)name)) : NULL;
}

char *
domain_xml_text (const xmlNode *node)
{
  char *text = node ? take (xmlNodeGetContent (node)) : NULL;

  return text ? text : g_strdup ("");
}

void
domain_xml_remove (xmlNode *node)
{
  xmlUnlinkNode (node);
  xmlFreeNode (node);
}

gboolean
domain_xml_attribute_is (const xmlNode *node, const char *name, const char *value)
{
  g_autofree char *actual = domain_xml_attribute (node, name);

  return g_strcmp0 (actual, value) == 0;
}

void
domain_xml_set_attribute (xmlNode *node, const char *name, const char *value)
{
  xmlSetProp (node, (const xmlChar *)name, (const xmlChar *)value);
}

char *
domain_xml_to_text (xmlDoc *document)
{
  xmlChar *text;
  int size;

  xmlDocDumpFormatMemoryEnc (document, &text, &size, "UTF-8", 1);
  char *copy = g_strndup ((const char *)text, (gsize)size);
  xmlFree (text);
  return copy;
}
