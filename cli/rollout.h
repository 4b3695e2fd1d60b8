// SPDX-License-Identifier: GPL-2.0-or-later
// gild promote --stage, and what is done to a staged rollout then.
#pragma once

#include "gild.h"
#include "qcow-backing/channel-change.h"

typedef struct
{
  const char *stages, *wait; // as given; NULL: not
  gboolean pause, resume, stop, status;
} RolloutOptions;

/* Whether OPTIONS ask for one thing, and *IS_COMMAND whether it is done to a rollout that there is.
 */
gboolean rollout_options_check (const RolloutOptions *options, gboolean *is_command,
                                GError **error);

/* Begin CHANGE, as who runs this, of a channel of IMAGE, in stages.  */
ExitStatus rollout_promote (const Verb *verb, const char *image, const ChannelChange *change,
                            const RolloutOptions *options);

/* Pause, resume or stop the rollout of IMAGE, or say how it stands.  */
ExitStatus rollout_command (const Verb *verb, const char *image, const char *note,
                            const RolloutOptions *options);

/* How the last rollout of IMAGE stands, as a sentence that is owned by the caller; NULL where there
   was none, or not on this host.  */
char *rollout_describe (const ImageLibrary *library, const char *image);
