// SPDX-License-Identifier: GPL-2.0-or-later
// Locks between processes: flock on a file of its own, so that they end with whoever holds them.
//
// Order, for whoever takes several: the store's, an image's, the pins', an index's.
#pragma once

#include <glib.h>
#include <sys/file.h>

/* Lock the file at PATH, relative to DIRECTORY_FD as in openat, making it where it is missing;
   OPERATION is LOCK_SH or LOCK_EX.  Waits, and says so if WAITING_FOR tells for what; with LOCK_NB
   in OPERATION it fails with G_IO_ERROR_WOULD_BLOCK.  Closing the returned descriptor unlocks; -1
   on error.  */
int file_lock (int directory_fd, const char *path, int operation, const char *waiting_for,
               GError **error);
