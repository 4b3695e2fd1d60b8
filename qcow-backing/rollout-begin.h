// SPDX-License-Identifier: GPL-2.0-or-later
// Beginning and stopping a staged rollout, with the site's key.
#pragma once

#include "channel-change.h"
#include "rollout-plan.h"

/* The checks of a rollout's CHANGE that need nothing else: its note leaves room for more.  */
gboolean rollout_check (const ChannelChange *change, GError **error);

/* Begin PLAN, whose image, channel, version, percents and wait are given, for the reasons and by
   the author of CHANGE: sign all of its records, write them, and make the first stage the image's
   channel record.  PLAN has its other members then.  The version has to be there, and the channel
   to name another one.  A crash leaves the channel as it was, or the rollout begun.  */
gboolean rollout_begin (const ImageLibrary *library, const SigningKey *key, RolloutPlan *plan,
                        const ChannelChange *change, GError **error);

/* End the rollout of IMAGE that goes on: by a new record the channel names its version before on
   all hosts.  CHANGE says who does it and why.  G_IO_ERROR_NOT_FOUND if none goes on.  */
gboolean rollout_stop (const ImageLibrary *library, const SigningKey *key, const char *image,
                       const ChannelChange *change, GError **error);
