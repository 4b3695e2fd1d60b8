// SPDX-License-Identifier: GPL-2.0-or-later
// Publishing what an edit has changed: read as nobody special, written by the store's owner.
#pragma once

#include "qcow-backing/child-identity.h"
#include "qcow-backing/config.h"
#include "qcow-backing/publish.h"

typedef struct
{
  const Config *config;
  const PublishOptions *options;
  const char *disk, *backing; // the overlay, which nobody uses, and what must lie below it
  const ChildIdentity *reader;
} EditCopy;

/* Make COPY the next version.  The process that writes ends with this one.  For who has caught
   signals (edit_signals_catch), which end it.  */
gboolean edit_publish (const EditCopy *copy, PublishResult *result, GError **error);
