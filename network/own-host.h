// SPDX-License-Identifier: GPL-2.0-or-later
// What this host says of itself, and which images it is to keep whole for others.
//
// STATE/replica.json, which `gild replica` writes:
//
//   { "format": "gild-replica-1", "images": ["accounting/desktop"] }
#pragma once

#include "completeness.h"
#include "qcow-backing/config.h"

#define REPLICA_IMAGES_MAX 1000

/* The images that this host keeps whole, sorted; an empty array where there is no file.  */
GPtrArray *replica_load (const Config *config, GError **error);

/* Make IMAGES, of char *, those.  */
gboolean replica_save (const Config *config, GPtrArray *images, GError **error);

/* Whether this host may sign.  */
gboolean own_host_is_publisher (const Config *config);

/* This host, NAME, seen now: a publisher is an origin, and so is who keeps images whole for others.
   COMPLETENESS may be NULL, and then no versions are named.  */
Host *own_host_new (const Config *config, const char *name, Completeness *completeness);
