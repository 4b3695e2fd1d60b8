// SPDX-License-Identifier: GPL-2.0-or-later
// Taking out of a domain's XML what belongs to that one domain, or to the one time that it ran.
#pragma once

#include <libxml/tree.h>

/* Remove from DOMAIN, which may be the XML of a running domain, what another domain must not have:
   its id, aliases, labels, sockets, ports, NVRAM file, generation id, and what libvirt found out
   about its disks.  */
void template_clean (xmlNode *domain);
