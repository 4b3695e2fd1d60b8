// SPDX-License-Identifier: GPL-2.0-or-later
// Getting boot profiles from origins: they know what boots on all hosts have read.
#pragma once

#include "record-sync.h"

typedef struct ProfileSync ProfileSync;

/* For the versions of SYNC's library that channels name.  For one thread.  */
ProfileSync *profile_sync_new (const RecordSync *sync);
void profile_sync_free (ProfileSync *sync);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ProfileSync, profile_sync_free)

/* Ask ORIGIN for the profiles that it was not asked for lately.  What it has not got is no trouble,
   and anything else a line in the log: a boot without a profile is only slower.  */
void profile_sync_run (ProfileSync *sync, const Host *origin);
