// SPDX-License-Identifier: GPL-2.0-or-later
// What spilling means in libvirt's XML: the snapshot that makes a running desktop write to disk,
// and the persistent definition without it.
//
// An external snapshot also changes the source of the disk in the *persistent* definition:
//
//   <source file='STATE/spill/NAME/vda.qcow2'/>
//   <backingStore type='file'>
//     <format type='qcow2'/>
//     <source file='RUN/desktops/NAME/vda.qcow2'/>
//   </backingStore>
//
// which would keep the desktop from starting again, as both files go with it.
// Formats: https://libvirt.org/formatsnapshot.html, https://libvirt.org/formatdomain.html
#pragma once

#include "qcow-backing/spill-directory.h"

/* On which layer on disk TARGET is in SIZE bytes of the XML of domain NAME; 0: on that in RAM.  */
guint spill_xml_layer (const Config *config, const char *name, const char *target, const char *xml,
                       gsize size);

/* The <domainsnapshot> that puts the layers LAYER of TARGETS (of char *) on top of them, and leaves
   the domain's other disks alone.  XML is the running domain's.  */
char *spill_xml_snapshot (const Config *config, const char *name, const GPtrArray *targets,
                          guint layer, const char *xml, gsize size, GError **error);

/* The persistent definition XML of domain NAME as it was before its disks spilled; NULL without an
   error where it says nothing of that.  All else is left as it is.  */
char *spill_xml_restore (const Config *config, const char *name, const char *xml, gsize size,
                         GError **error);
