// SPDX-License-Identifier: GPL-2.0-or-later
// Dates as gild writes them: "2026-11-20T02:00:00Z".  For people: nothing is decided by one.
#pragma once

#include <glib.h>

#define UTC_DATE_SIZE_MAX 40 // bytes of one that is read

/* The date DAYS from now, by this host's clock; owned by the caller.  */
char *utc_date (int days);

/* DATE in local time, "2026-11-20 03:00", and "?" where it is none; owned by the caller.  */
char *utc_date_to_local (const char *date);
