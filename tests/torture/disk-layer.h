// SPDX-License-Identifier: GPL-2.0-or-later
// A layer between a program and its disk: its calls, which disk-layer-calls.c puts before the C
// library's.  All are the system calls' own, by descriptor; AT_FDCWD is one.
#pragma once

#include <glib.h>
#include <sys/types.h>

gboolean layer_has (int fd); // is its file below the directory?
int layer_open (int directory, const char *name, int flags, mode_t mode);
ssize_t layer_write (int fd, const void *data, size_t size, off_t offset); // -1: where it stands
int layer_rename (int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int layer_link (int from_fd, const char *from, int to_fd, const char *to, int flags);
int layer_unlink (int fd, const char *name, int flags);
int layer_mkdir (int fd, const char *name, mode_t mode);
int layer_truncate (int fd, off_t size);
int layer_chmod (int fd, mode_t mode);
int layer_sync (int fd, long number); // SYS_fsync, SYS_fdatasync or SYS_syncfs
int layer_close (int fd);
