// SPDX-License-Identifier: GPL-2.0-or-later
// Which of the other hosts have what a night has promoted.
#pragma once

#include "gild.h"
#include "nightly-report.h"

/* Wait until every live host that had an image of REPORT whole has its new version whole, or the
   configured time is over; how many have is then in REPORT.  */
void nightly_hosts_wait (const Verb *verb, NightlyReport *report);
