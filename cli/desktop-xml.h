// SPDX-License-Identifier: GPL-2.0-or-later
// A desktop's XML from a template, as the verbs make it that start or define VMs.
#pragma once

#include "qcow-backing/config.h"
#include "virt-hooks/template.h"

/* The type of virtualisation to use, "kvm" or "qemu", static or CONFIG's: ASKED for, or where that
   is NULL the configured one; "auto" is kvm where it works.  NULL for any other word.  */
const char *desktop_xml_virt_type (const Config *config, const char *asked, GError **error);

/* The XML that TEMPLATE (template_load) and VALUES make, but for VALUES' site and run directory,
   which are CONFIG's; owned by the caller.  */
char *desktop_xml_render (const Config *config, const char *template, TemplateValues values,
                          GError **error);
