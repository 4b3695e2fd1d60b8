// SPDX-License-Identifier: GPL-2.0-or-later
// Which images this host keeps whole, so that others may get them from it.
//
// A publisher, which has the signing key, keeps all of them.  A replica keeps those that
// STATE/replica.json lists: { "format": "gild-replica-1", "images": ["accounting/desktop", …] }.
// Every other host has of an image what its desktops have read and what was fetched beforehand, and
// what it lacks is no damage.
#pragma once

#include "config.h"

#define REPLICA_IMAGES_MAX 1000

typedef struct Origin Origin;

/* What this host keeps now.  A host that belongs to no site keeps nothing.  */
Origin *origin_load (const Config *config, GError **error);
void origin_free (Origin *origin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Origin, origin_free)

/* Whether this host keeps whole images at all, and whether IMAGE is one of them.  */
gboolean origin_keeps_any (const Origin *origin);
gboolean origin_keeps (const Origin *origin, const char *image);

/* Whether it has the signing key.  */
gboolean origin_is_publisher (const Origin *origin);

/* The images that it keeps as a replica, sorted; owned by ORIGIN.  */
const GPtrArray *origin_replicas (const Origin *origin);

/* Keep IMAGES, of char *, as a replica from now on, in place of what was kept as one.  */
gboolean origin_set_replicas (const Config *config, const GPtrArray *images, GError **error);
