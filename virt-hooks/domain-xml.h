// SPDX-License-Identifier: GPL-2.0-or-later
// Reading a libvirt domain's XML: parsed without reaching for anything outside it, and walked by
// element names.
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/* The largest domain XML that is read, in bytes.  */
#define DOMAIN_XML_SIZE_MAX (4u << 20)

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)

/* Parse SIZE bytes at XML, at most DOMAIN_XML_SIZE_MAX, whose root must be <domain>.  Opens no file
   and no connection; a document type, with which come entities, is refused.  Blank text is left
   out.  */
xmlDoc *domain_xml_parse (const char *xml, gsize size, GError **error);

/* The first child of PARENT, or the next sibling of NODE, that is an element NAME without a
   namespace, as all of libvirt's are.  NULL where there is none, and where PARENT or NODE is NULL.
 */
xmlNode *domain_xml_child (const xmlNode *parent, const char *name);
xmlNode *domain_xml_next (const xmlNode *node, const char *name);

/* Whether NODE is an element NAME without a namespace.  */
gboolean domain_xml_is (const xmlNode *node, const char *name);

/* The value of attribute NAME (without a namespace) of NODE, owned by the caller; NULL where there
   is none, and where NODE is NULL.  */
char *domain_xml_attribute (const xmlNode *node, const char *name);

/* Whether that is VALUE.  */
gboolean domain_xml_attribute_is (const xmlNode *node, const char *name, const char *value);

void domain_xml_set_attribute (xmlNode *node, const char *name, const char *value);

/* The text in NODE, owned by the caller; "" where NODE is NULL.  */
char *domain_xml_text (const xmlNode *node);

/* Take NODE out of its document and free it.  */
void domain_xml_remove (xmlNode *node);

/* DOCUMENT as indented text, owned by the caller.  */
char *domain_xml_to_text (xmlDoc *document);
