// SPDX-License-Identifier: GPL-2.0-or-later
// Whether a guest's agent (qemu-guest-agent) is there: a guest whose agent answers is up.

#include "guest-agent.h"

#include <stdlib.h>
#include <string.h>

#include <libvirt/libvirt-qemu.h>

#include "virt-hooks/domain-xml.h"

#define CHANNEL "org.qemu.guest_agent.0"
#define PING    "{\"execute\":\"guest-ping\"}"

gboolean
guest_agent_is_connected (virDomainPtr domain)
{
  char *xml = virDomainGetXMLDesc (domain, 0);
  g_autoptr (xmlDoc) document = xml ? domain_xml_parse (xml, strlen (xml), NULL) : NULL;
  const xmlNode *devices =
      document ? domain_xml_child (xmlDocGetRootElement (document), "devices") : NULL;

  free (xml);
  for (xmlNode *channel = domain_xml_child (devices, "channel"); channel;
       channel = domain_xml_next (channel, "channel"))
    {
      const xmlNode *target = domain_xml_child (channel, "target");
      if (domain_xml_attribute_is (target, "name", CHANNEL))
        return domain_xml_attribute_is (target, "state", "connected");
    }
  return FALSE;
}

gboolean
guest_agent_answers (virDomainPtr domain, guint timeout_seconds)
{
  char *answer = virDomainQemuAgentCommand (domain, PING, (int)timeout_seconds, 0);

  free (answer);
  return answer != NULL;
}
