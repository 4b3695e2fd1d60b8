// SPDX-License-Identifier: GPL-2.0-or-later
// Driving the staged rollouts of this publisher, from what hosts tell of their desktops.
#pragma once

#include "heartbeat.h"

typedef struct Rollouts Rollouts;

/* Those of LIBRARY, by what LIST and HEARTBEATS know; all of them outlive the result.  */
Rollouts *rollouts_new (const Config *config, const ImageLibrary *library, HostList *list,
                        Heartbeats *heartbeats);
void rollouts_free (Rollouts *rollouts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Rollouts, rollouts_free)

/* Look at each rollout, and let it go on or back where it is time.  Whether any goes on.  */
gboolean rollouts_turn (Rollouts *rollouts);
