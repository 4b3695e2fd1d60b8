// SPDX-License-Identifier: GPL-2.0-or-later
// Which of libvirt's domains are desktops.

#include "domain-pin.h"

Pin *
domain_pin (const Config *config, virDomainPtr domain)
{
  g_autoptr (JsonNode) node = pin_load (config, virDomainGetName (domain), NULL);
  g_autoptr (Pin) pin = node ? pin_read (node, NULL) : NULL;
  char uuid[VIR_UUID_STRING_BUFLEN];

  if (!pin || pin->targets->len == 0 || virDomainGetUUIDString (domain, uuid) < 0
      || g_ascii_strcasecmp (uuid, pin->uuid) != 0)
    return NULL;
  return g_steal_pointer (&pin);
}
