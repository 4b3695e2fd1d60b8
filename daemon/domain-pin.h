// SPDX-License-Identifier: GPL-2.0-or-later
// Which of libvirt's domains are desktops.
#pragma once

#include <libvirt/libvirt.h>

#include "qcow-backing/pins.h"

/* The pin of DOMAIN, owned by the caller; NULL if it is no desktop.  */
Pin *domain_pin (const Config *config, virDomainPtr domain);
