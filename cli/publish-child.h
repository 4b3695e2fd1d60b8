// SPDX-License-Identifier: GPL-2.0-or-later
// Publishing by the store's owner what was opened by root: in a child process, if this one is root.
#pragma once

#include "qcow-backing/config.h"
#include "qcow-backing/publish.h"

typedef struct
{
  const PublishOptions *options;
  const SigningKey *key;
  NbdSource *source;
  // Called by who publishes before it begins, with how it shows progress; NULL: nothing is to do.
  gboolean (*prepare) (Progress *progress, GError **error);
} PublishChild;

/* Make the source of CHILD the next version (publish_run).  Who writes ends with this process.  */
gboolean publish_child_run (const Config *config, const PublishChild *child, PublishResult *result,
                            GError **error);
