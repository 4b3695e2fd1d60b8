// SPDX-License-Identifier: GPL-2.0-or-later
// What this host says of itself.
#pragma once

#include "completeness.h"
#include "qcow-backing/config.h"

/* This host, NAME, seen now, with what it keeps for others, what it has as COMPLETENESS counted it,
   and which desktops run, and what.  */
Host *own_host_new (const Config *config, const char *name, Completeness *completeness);
