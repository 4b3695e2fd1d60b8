// SPDX-License-Identifier: GPL-2.0-or-later
// The log of what a program did to the files below one directory: disk-layer writes it, power-cut
// reads it.
//
// A record is a DiskOp, then path, other path and data without padding.  Paths are relative to the
// directory, which itself is "".  Only what succeeded is in it.
#pragma once

#include <glib.h>

typedef enum
{
  DISK_OPEN,     // path, for writing or with O_CREAT; inode, mode; DISK_CREATED, DISK_TRUNCATED
  DISK_WRITE,    // inode, offset, data
  DISK_TRUNCATE, // inode, offset: the new size
  DISK_CHMOD,    // path, mode
  DISK_RENAME,   // path, to other
  DISK_LINK,     // path, other: the new name
  DISK_UNLINK,   // path
  DISK_MKDIR,    // path, mode
  DISK_RMDIR,    // path
  DISK_SYNC,     // of path begins, or with DISK_WHOLE of the file system; offset: its number
  DISK_SYNCED,   // it is done; offset: the number of its DISK_SYNC
  DISK_CLOSE,    // of a file that was open for writing; only counted for faults
  DISK_N_KINDS
} DiskOpKind;

static const char *const DISK_OP_NAMES[DISK_N_KINDS] = {
  "open",   "write", "truncate", "chmod", "rename", "link",
  "unlink", "mkdir", "rmdir",    "sync",  "synced", "close",
};

enum
{
  DISK_CREATED = 1,   // the file was not there
  DISK_TRUNCATED = 2, // it was, and lost its bytes
  DISK_WHOLE = 4,
};

typedef struct
{
  guint32 kind, flags, mode;
  guint32 path_size, other_size, data_size; // bytes of what follows
  guint64 inode, offset;
} DiskOp;
