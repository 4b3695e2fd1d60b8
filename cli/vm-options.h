// SPDX-License-Identifier: GPL-2.0-or-later
// The options of verbs that run a VM for a time, and the XML that they make of a template.
#pragma once

#include "qcow-backing/config.h"
#include "virt-hooks/template.h"
#include "virt-hooks/transient-xml.h"

typedef struct
{
  char *template, *virt_type, *memory; // as given; NULL: not given
  const char *type;                    // "kvm" or "qemu", from vm_options_read, as the next
  guint64 memory_bytes;                // 0: the template's
} VmOptions;

void vm_options_clear (VmOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VmOptions, vm_options_clear)

/* Their entries for verb_parse; OPTIONS is a VmOptions.  */
#define VM_OPTIONS_ENTRIES(options)                                                                \
  { "template",                                                                                    \
    0,                                                                                             \
    0,                                                                                             \
    G_OPTION_ARG_STRING,                                                                           \
    &(options).template,                                                                           \
    "The template of the VM, as for gild define (linux)",                                          \
    "TEMPLATE" },                                                                                  \
      { "virt-type",                                                                               \
        0,                                                                                         \
        0,                                                                                         \
        G_OPTION_ARG_STRING,                                                                       \
        &(options).virt_type,                                                                      \
        "kvm, qemu, or auto: kvm where it works",                                                  \
        "TYPE" },                                                                                  \
  {                                                                                                \
    "memory", 0, 0, G_OPTION_ARG_STRING, &(options).memory, "The VM's RAM, not the template's",    \
        "SIZE"                                                                                     \
  }

/* Read what was given, which is wrong or right whatever there is on this host.  */
gboolean vm_options_read (VmOptions *options, const Config *config, GError **error);

/* The XML of a VM, owned by the caller: the template rendered with VALUES, and then made into what
   runs once (transient_xml) with ONCE; but for what OPTIONS say of both.  */
char *vm_options_xml (const VmOptions *options, const Config *config, TemplateValues values,
                      TransientValues once, GError **error);
