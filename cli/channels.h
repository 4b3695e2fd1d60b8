// SPDX-License-Identifier: GPL-2.0-or-later
// What gild promote and gild rollback share: one change of a channel, and what is said of it.
#pragma once

#include "gild.h"
#include "qcow-backing/channel-change.h"

/* Root's part, reading the signing key into *KEY; then the store's owner's, opening the images.  */
ImageLibrary *channels_open_library (const Verb *verb, SigningKey **key, GError **error);

/* Make CHANGE, as who runs this, of a channel of IMAGE, and print what it did.  */
ExitStatus channels_change (const Verb *verb, const char *image, const ChannelChange *change);
