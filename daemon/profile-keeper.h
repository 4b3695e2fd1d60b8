// SPDX-License-Identifier: GPL-2.0-or-later
// What this host's desktops read when they boot: what nbdkit tells of is kept if it was a boot.
//
// nbdkit knows its clients by nothing but what they read.  Those are boots that came shortly after
// a desktop was prepared with that version, one for each time that it was; who exports a version,
// looks at it, or comes back to an nbdkit that was started anew, did not boot.
#pragma once

#include <json-glib/json-glib.h>

#include "network/profile-exchange.h"
#include "qcow-backing/config.h"

typedef struct ProfileKeeper ProfileKeeper;

/* Keep boots in CONFIG's images, and those of images that this host is no origin of in OUTBOX too;
   both outlive the result, which is used by one thread.  */
ProfileKeeper *profile_keeper_new (const Config *config, ProfileOutbox *outbox);

/* Waits for the boot that is being written, and forgets others.  */
void profile_keeper_free (ProfileKeeper *keeper);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ProfileKeeper, profile_keeper_free)

/* A desktop is about to boot IMAGE@VERSION.  */
void profile_keeper_expect (ProfileKeeper *keeper, const char *image, guint version);

/* Take what nbdkit tells of a client: NAME is DEPARTMENT/NAME/VERSION, BODY what it has read as a
   boot profile of one boot (boot-profile.h), and "age", how many milliseconds ago it came.  A
   thread writes it.  The answer is { "wanted": whether to tell of further boots of this version }.
   G_IO_ERROR_INVALID_ARGUMENT where that makes no sense.  */
JsonObject *profile_keeper_take (ProfileKeeper *keeper, const char *name, JsonObject *body,
                                 GError **error);
