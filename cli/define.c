// SPDX-License-Identifier: GPL-2.0-or-later
// gild define: define a desktop in libvirt from a template.

#include "gild.h"

#include <stdio.h>

#include "daemon/libvirt-connection.h"
#include "desktop-xml.h"
#include "qcow-backing/image-name.h"

static gboolean
define_domain (const char *xml, GError **error)
{
  g_autoptr (virConnect) connection = libvirt_connect (error);
  virDomainPtr domain;

  if (!connection)
    return FALSE;
  domain = virDomainDefineXMLFlags (connection, xml, VIR_DOMAIN_DEFINE_VALIDATE);
  if (!domain)
    return libvirt_fail (error, "define the domain");
  virDomainFree (domain);
  return TRUE;
}

static void
print_json (const Verb *verb, const char *xml)
{
  g_autoptr (JsonObject) object = json_object_new ();

  json_object_set_string_member (object, "name", verb->argv[1]);
  json_object_set_string_member (object, "xml", xml);
  json_print_object (object);
}

ExitStatus
verb_define (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_autofree char *image = NULL, *virt_type = NULL;
  gboolean print = FALSE;
  const GOptionEntry options[] = {
    { "image", 0, 0, G_OPTION_ARG_STRING, &image, "The image of the first disk", "IMAGE" },
    { "virt-type", 0, 0, G_OPTION_ARG_STRING, &virt_type, "kvm, qemu, or auto: kvm where it works",
      "TYPE" },
    { "print", 0, 0, G_OPTION_ARG_NONE, &print,
      "Print the XML for `virsh define`, and define nothing", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "TEMPLATE NAME",
          "Define the desktop NAME in libvirt from TEMPLATE: the name of one in /etc/gild/templates or an\n"
          "installed one (linux, windows), or a file of domain XML. The same NAME on the same site always\n"
          "gets the same UUID and MAC addresses.",
          2, 2, &status))
    return status;
  const char *type = desktop_xml_virt_type (verb.config, virt_type, &error);
  if (!type || !desktop_name_check (verb.argv[1], &error)
      || (image && !image_name_check (image, &error)))
    return verb_usage (&verb, error);

  const TemplateValues values = { .name = verb.argv[1], .image = image, .virt_type = type };
  g_autofree char *xml = desktop_xml_render (verb.config, verb.argv[0], values, &error);
  if (!xml || (!print && !define_domain (xml, &error)))
    return verb_fail (&verb, error);
  if (verb.json)
    print_json (&verb, xml);
  else if (print)
    fputs (xml, stdout);
  else
    printf ("%s is defined; start it with: virsh start %s\n", verb.argv[1], verb.argv[1]);
  return EXIT_DONE;
}
