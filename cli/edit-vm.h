// SPDX-License-Identifier: GPL-2.0-or-later
// Changing a copy of an image by hand, in a VM with a screen.
#pragma once

#include "qcow-backing/edit-directory.h"
#include "vm-options.h"

typedef struct
{
  const Config *config;
  const EditDirectory *directory; // of the edit, with its overlay
  const char *image;              // what lies below that
  guint version;
  const VmOptions *options;
  gboolean viewer;       // show the screen
  guint timeout_seconds; // 0: as long as it takes
} EditVm;

/* Boot the copy in a VM, say on stderr how to reach it, and wait until its guest has turned itself
   off; then nobody uses the copy, and all that the guest has written is in it.  Fails, and ends the
   VM, where it stops in any other way, at the timeout, and by a signal to this process.  While the
   disk with the copy has only its last tenth left, or the image cannot be read, the VM is paused.
   For root, who has caught signals (edit_signals_catch).  */
gboolean edit_vm_run (const EditVm *vm, GError **error);
