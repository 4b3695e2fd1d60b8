// SPDX-License-Identifier: GPL-2.0-or-later
// Whether a guest's agent (qemu-guest-agent) is there: a guest whose agent answers is up.
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* Whether somebody in the guest of DOMAIN has the agent's channel open. libvirt knows, so this
   waits for no guest; FALSE also where there is no such channel. An event tells when it changes
   (VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE). Whoever has it open need not answer.  */
gboolean guest_agent_is_connected (virDomainPtr domain);

/* Whether the agent answers within TIMEOUT_SECONDS; at once where nobody has the channel open.  */
gboolean guest_agent_answers (virDomainPtr domain, guint timeout_seconds);
