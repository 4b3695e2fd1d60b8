// SPDX-License-Identifier: GPL-2.0-or-later
// What gildd answers on its control socket; gildd(8) lists the requests.
#pragma once

#include "chunk-requests.h"
#include "control-server.h"
#include "damage-check.h"
#include "desktop-watch.h"
#include "network/site-network.h"
#include "profile-keeper.h"
#include "qcow-backing/config.h"

/* What the requests are answered from.  */
typedef struct
{
  const Config *config;
  DesktopWatch *watch;
  DamageCheck *damage_check;
  ChunkRequests *chunk_requests;
  ProfileOutbox *outbox;
  ProfileKeeper *profile_keeper;
  SiteNetwork *network;  // NULL while this host belongs to no site, or cannot take part in it
  char *network_trouble; // why it cannot; NULL otherwise
} Daemon;

/* For control_server_new, with a Daemon as its data.  */
extern const ControlRoute CONTROL_ROUTES[];
