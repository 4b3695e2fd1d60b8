// SPDX-License-Identifier: GPL-2.0-or-later
// Loop devices: an open file, or a part of it, as a block device of this host's.
#pragma once

#include <glib.h>

/* Make a loop device of SIZE bytes at OFFSET of FILE_FD, and give it NAME, of up to
   LOOP_DEVICE_NAME_MAX bytes.  Returns its descriptor, and its path, owned by the caller, in *PATH.
   It goes when nobody has it open and nothing is mounted from it, and lets go of the file.  For
   root; -1 on error.  */
int loop_device_open (int file_fd, guint64 offset, guint64 size, const char *name, char **path,
                      GError **error);

/* The name that the loop device PATH was made with, owned by the caller.  NULL where it does not
   tell, as one does whose file is lost.  For root.  */
char *loop_device_name (const char *path);

#define LOOP_DEVICE_NAME_MAX 63
