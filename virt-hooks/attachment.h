// SPDX-License-Identifier: GPL-2.0-or-later
// Attachments: images that are drives of this host itself, without a virtual machine.
//
// An attachment has a pin and a tmpfs as a desktop has, below a name that is made from its
// directory. What is mounted there is a loop device of that name; when nobody uses it any more the
// kernel lets go of all that is below (fuse-disk.h).
#pragma once

#include <glib.h>

/* The absolute path, without links, of the directory PATH, which may be one whose disk is gone.
   NULL on error.  */
char *attachment_directory (const char *path, GError **error);

/* What the attachment at DIRECTORY, as attachment_directory has it, of the host whose run directory
   is RUN_DIR is called.  */
char *attachment_name (const char *run_dir, const char *directory);

/* What its loop device is called.  */
char *attachment_loop_name (const char *name);

/* Whether something is mounted at DIRECTORY from a loop device.  For everybody.  */
gboolean attachment_is_mounted (const char *directory);

/* Whether the attachment NAME of RUN_DIR's host is mounted somewhere.  For root.  */
gboolean attachment_has_mounts (const char *run_dir, const char *name);

/* Unmount the attachment NAME wherever it is mounted; nowhere is success.  If LAZY even where it is
   used, else that fails with G_IO_ERROR_BUSY.  For root.  */
gboolean attachment_unmount (const char *run_dir, const char *name, gboolean lazy, GError **error);

/* Have DIRECTORY for oneself, as long as the descriptor is open; waits some seconds for somebody
   who is about to attach or detach there, and fails with G_IO_ERROR_BUSY.  Nothing may be unmounted
   there meanwhile.  */
int attachment_lock (const char *directory, GError **error);
