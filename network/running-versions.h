// SPDX-License-Identifier: GPL-2.0-or-later
// What other hosts run: the versions that an origin must not collect.
//
// A host says in its heartbeats what its desktops run.  Who is not heard of any more may run it
// still, out of reach, so that counts for a time.
#pragma once

#include <json-glib/json-glib.h>

#include "qcow-backing/config.h"

/* "IMAGE@VERSION" of all that the hosts in LIST, which has the form of hosts.json (host-list.h) and
   of gildd's answer, ran when they were last heard of, if that was at most DAYS before LIST was
   written; a set of owned strings.  No time passes for LIST while nobody listens to hosts: so
   neither a gildd that does not run nor a clock that jumps takes anything from them.  */
GHashTable *running_versions_in (JsonObject *list, guint days, GError **error);

/* The same, of this host's hosts.json; empty where it has none.  A file that cannot be read is an
   error, since nobody knows what they run.  */
GHashTable *running_versions_load (const Config *config, GError **error);
