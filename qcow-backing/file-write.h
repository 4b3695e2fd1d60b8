// SPDX-License-Identifier: GPL-2.0-or-later
// Writing files: all of the bytes or an error, and so that a power cut leaves the old file or the
// new one.
#pragma once

#include <glib.h>

/* Write the SIZE bytes at DATA to FD and close it, whatever happens.  FALSE with errno set if not
   all of them were taken, also where only close tells so.  FD may be -1, with errno set by who
   failed to open it.  */
gboolean file_write_and_close (int fd, const void *data, gsize size);

/* Write DATA to PATH by way of a new file, fsync and rename, and fsync the directory.  */
gboolean file_write_durably (const char *path, const void *data, gsize size, int mode,
                             GError **error);

/* Make durable all that was done to the file system of directory PATH.  */
gboolean file_system_sync (const char *path, GError **error);
