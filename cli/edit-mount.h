// SPDX-License-Identifier: GPL-2.0-or-later
// The file system of a copy that is being edited, mounted in the edit's mount namespace.
#pragma once

#include "attach-mount.h"
#include "qcow-backing/config.h"

typedef struct
{
  const Config *config;
  const char *disk;  // the overlay's absolute path, in the directory of its edit
  const char *image; // what lies below it
  guint version;
  int partition;
  gboolean read_only;
  const char *directory;
} EditMount;

/* Mount it.  When it is unmounted all that was written is in the overlay.  For root.  */
gboolean edit_mount (const EditMount *mount, GError **error);

/* The name of the loop device of an edit's mounts, by the overlay's path; owned by the caller.  */
char *edit_mount_loop_name (const char *disk);
