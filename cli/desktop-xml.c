// SPDX-License-Identifier: GPL-2.0-or-later
// A desktop's XML from a template, as the verbs make it that start or define VMs.

#include "desktop-xml.h"

#include <string.h>
#include <unistd.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/site.h"

/* Whether this host's processor can run guests.  That /dev/kvm can be opened is not enough: there
   are hosts where it opens and guests hang.  */
static gboolean
kvm_works (void)
{
  g_autofree char *cpus = NULL;

  return access ("/dev/kvm", R_OK | W_OK) == 0
         && g_file_get_contents ("/proc/cpuinfo", &cpus, NULL, NULL)
         && (strstr (cpus, " vmx") || strstr (cpus, " svm"));
}

const char *
desktop_xml_virt_type (const Config *config, const char *asked, GError **error)
{
  const char *type = asked ? asked : config->virt_type;

  if (g_str_equal (type, "auto"))
    return kvm_works () ? "kvm" : "qemu";
  if (g_str_equal (type, "kvm") || g_str_equal (type, "qemu"))
    return type;
  fail (error, "'%s' is not a virtualisation type: write kvm, qemu or auto", type);
  return NULL;
}

char *
desktop_xml_render (const Config *config, const char *template, TemplateValues values,
                    GError **error)
{
  g_autoptr (Site) site = site_load (config, error);
  g_autofree char *text = NULL;
  gsize size;

  if (!site || !(text = template_load (template, TEMPLATE_DIRECTORIES, &size, error)))
    return NULL;
  values.site_uuid = site->uuid;
  values.run_dir = config->run_dir;
  char *xml = template_render (text, size, &values, error);
  if (!xml)
    g_prefix_error (error, "template %s: ", template);
  return xml;
}
