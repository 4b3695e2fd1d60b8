// SPDX-License-Identifier: GPL-2.0-or-later
// The options of verbs that run a VM for a time, and the XML that they make of a template.

#include "vm-options.h"

#include <string.h>

#include "desktop-xml.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/size.h"

#define TEMPLATE_DEFAULT "linux"
#define MEMORY_MIN       (16 * MiB)

void
vm_options_clear (VmOptions *options)
{
  g_free (options->template);
  g_free (options->virt_type);
  g_free (options->memory);
}

gboolean
vm_options_read (VmOptions *options, const Config *config, GError **error)
{
  options->type = desktop_xml_virt_type (config, options->virt_type, error);
  if (!options->type || !options->memory)
    return options->type != NULL;
  return size_parse (options->memory, &options->memory_bytes, error)
         && (options->memory_bytes >= MEMORY_MIN
             || fail (error, "a VM with %s of memory does not run: write 16MiB or more",
                      options->memory));
}

char *
vm_options_xml (const VmOptions *options, const Config *config, TemplateValues values,
                TransientValues once, GError **error)
{
  const char *template = options->template ? options->template : TEMPLATE_DEFAULT;

  values.virt_type = options->type;
  once.memory_bytes = options->memory_bytes;
  g_autofree char *xml = desktop_xml_render (config, template, values, error);
  return xml ? transient_xml (xml, strlen (xml), &once, error) : NULL;
}
