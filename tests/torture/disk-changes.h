// SPDX-License-Identifier: GPL-2.0-or-later
// The log of disk-layer as a list of changes to a tree, and which of them were synced.
#pragma once

#include "disk-log.h"
#include "disk-tree.h"

typedef struct
{
  DiskOp op;
  char *path, *other;
  const guint8 *data;
} Logged;

/* One change, of names or of bytes.  */
typedef struct
{
  guint position;        // in the log
  const Logged *logged;  // which owns the names and the bytes
  DiskObject *object;    // that gets a name, loses one or is written
  DiskObject *from, *to; // directories: of names, the one that loses it and the one that gets it
  gboolean is_durable;   // it was synced
  gboolean is_kept;      // for power-cut to say; FALSE
} Change;

typedef struct
{
  GBytes *text;
  GPtrArray *log;     // of Logged *, owned; they point into text
  DiskTree *tree;     // owned; live as at the end, on the disk as before
  GHashTable *inodes; // guint64 * (owned) -> DiskObject
  GArray *list;       // of Change, in their order
} DiskChanges;

/* The changes that TREE, which it takes, saw by the first N records of TEXT, a log.  Ends the
   program if the log does not fit the tree.  */
DiskChanges *disk_changes_new (GBytes *text, DiskTree *tree, guint n);
void disk_changes_free (DiskChanges *changes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DiskChanges, disk_changes_free)

/* The number of records in the log TEXT.  */
guint disk_log_count (GBytes *text);

/* The number of its records before the first from N on that says that a sync is done.  */
guint disk_log_until_sync (GBytes *text, guint n);

gboolean change_is_of_bytes (const Change *change);
