// SPDX-License-Identifier: GPL-2.0-or-later
// Where a host of the site may be by now, as multicast DNS has it: a hint, and nothing more.
//
// Each PC announces _gild._tcp below its own name, where Avahi runs (daemon/gild-avahi.service).
// Anybody on the LAN can announce anything: whoever goes by a hint asks for the other's
// certificate, as always.
#pragma once

#include <glib.h>

/* The numeric addresses at which host NAME is said to be, with the one heard last first; none where
   Avahi is not installed or does not answer.  Waits for up to five seconds.  Owned by the caller.
 */
GPtrArray *lan_hint_find (const char *name);

/* The same, from TEXT, which `avahi-browse --parsable --resolve` printed.  */
GPtrArray *lan_hint_parse (const char *text, const char *name);
