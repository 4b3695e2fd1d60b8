// SPDX-License-Identifier: GPL-2.0-or-later
// The log of disk-layer as a list of changes to a tree, and which of them were synced.

#include "disk-changes.h"

#include <string.h>

static void
logged_free (gpointer data)
{
  Logged *logged = data;

  g_free (logged->path);
  g_free (logged->other);
  g_free (logged);
}

/* The records in TEXT, which they point into.  */
static GPtrArray *
read_log (GBytes *text)
{
  gsize size;
  const char *log = g_bytes_get_data (text, &size);
  GPtrArray *records = g_ptr_array_new_with_free_func (logged_free);

  for (gsize at = 0; at < size;)
    {
      Logged *logged = g_new0 (Logged, 1);
      memcpy (&logged->op, log + at, sizeof logged->op);
      at += sizeof logged->op;
      logged->path = g_strndup (log + at, logged->op.path_size);
      at += logged->op.path_size;
      logged->other = g_strndup (log + at, logged->op.other_size);
      at += logged->op.other_size;
      logged->data = (const guint8 *)log + at;
      at += logged->op.data_size;
      g_ptr_array_add (records, logged);
    }
  return records;
}

gboolean
change_is_of_bytes (const Change *change)
{
  return !change->from && !change->to;
}

static DiskObject *
object_of_inode (const DiskChanges *changes, const Logged *logged)
{
  DiskObject *object = g_hash_table_lookup (changes->inodes, &logged->op.inode);

  if (!object)
    g_error ("the log writes to %s, which it never opened", logged->path);
  return object;
}

static void
change_name (DiskChanges *changes, Change change)
{
  const Logged *logged = change.logged;
  g_autofree char *name = g_path_get_basename (logged->path);
  g_autofree char *new_name = g_path_get_basename (*logged->other ? logged->other : logged->path);

  if (change.from)
    disk_object_set (change.from->live, name, NULL);
  if (change.to)
    disk_object_set (change.to->live, new_name, change.object);
  g_array_append_val (changes->list, change);
}

static void
change_bytes (DiskChanges *changes, Change change, DiskObject *object)
{
  change.object = object;
  g_array_append_val (changes->list, change);
}

static void
follow_open (DiskChanges *changes, Change change)
{
  const DiskOp *op = &change.logged->op;

  change.object = op->flags & DISK_CREATED ? disk_tree_add (changes->tree, FALSE, op->mode)
                                           : disk_tree_find (changes->tree, change.logged->path);
  g_hash_table_replace (changes->inodes, g_memdup2 (&op->inode, sizeof op->inode), change.object);
  if (op->flags & DISK_CREATED)
    {
      change.to = disk_tree_parent (changes->tree, change.logged->path);
      change_name (changes, change);
    }
  if (op->flags & DISK_TRUNCATED)
    change_bytes (changes, change, change.object);
}

/* What the sync that has just ended, and began with record BEGUN, made durable.  */
static void
follow_synced (DiskChanges *changes, guint begun)
{
  const Logged *sync = changes->log->pdata[begun];
  gboolean is_whole = (sync->op.flags & DISK_WHOLE) != 0;
  DiskObject *object = disk_tree_find (changes->tree, sync->path);

  if (!object && !is_whole)
    return; // a file that has no name any more
  for (guint i = 0; i < changes->list->len; i++)
    {
      Change *change = &g_array_index (changes->list, Change, i);
      if (change->position < begun
          && (is_whole || change->from == object || change->to == object
              || (change_is_of_bytes (change) && change->object == object)))
        change->is_durable = TRUE;
    }
}

static guint
sync_begin (const DiskChanges *changes, guint end)
{
  const Logged *synced = changes->log->pdata[end];

  for (guint i = end; i-- > 0;)
    {
      const Logged *logged = changes->log->pdata[i];
      if (logged->op.kind == DISK_SYNC && logged->op.offset == synced->op.offset)
        return i;
    }
  g_error ("the log has the end of a sync and not its beginning");
}

/* Do record POSITION in the live view, and note what it changes.  */
static void
follow (DiskChanges *changes, guint position)
{
  const Logged *logged = changes->log->pdata[position];
  Change change = { .position = position, .logged = logged };

  switch ((DiskOpKind)logged->op.kind)
    {
    case DISK_OPEN:
      return follow_open (changes, change);
    case DISK_WRITE:
    case DISK_TRUNCATE:
      return change_bytes (changes, change, object_of_inode (changes, logged));
    case DISK_CHMOD:
      disk_tree_find (changes->tree, logged->path)->mode = logged->op.mode;
      return;
    case DISK_MKDIR:
      change.object = disk_tree_add (changes->tree, TRUE, logged->op.mode);
      change.to = disk_tree_parent (changes->tree, logged->path);
      return change_name (changes, change);
    case DISK_RENAME:
    case DISK_LINK:
      change.to = disk_tree_parent (changes->tree, logged->other);
      // fall through
    case DISK_UNLINK:
    case DISK_RMDIR:
      change.object = disk_tree_find (changes->tree, logged->path);
      if (logged->op.kind != DISK_LINK)
        change.from = disk_tree_parent (changes->tree, logged->path);
      return change_name (changes, change);
    case DISK_SYNCED:
      return follow_synced (changes, sync_begin (changes, position));
    default:
      return;
    }
}

DiskChanges *
disk_changes_new (GBytes *text, DiskTree *tree, guint n)
{
  DiskChanges *changes = g_new (DiskChanges, 1);

  *changes = (DiskChanges){ g_bytes_ref (text), read_log (text), tree,
                            g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL),
                            g_array_new (FALSE, FALSE, sizeof (Change)) };
  for (guint i = 0; i < MIN (n, changes->log->len); i++)
    follow (changes, i);
  return changes;
}

void
disk_changes_free (DiskChanges *changes)
{
  g_array_unref (changes->list);
  g_hash_table_unref (changes->inodes);
  disk_tree_free (changes->tree);
  g_ptr_array_unref (changes->log);
  g_bytes_unref (changes->text);
  g_free (changes);
}

guint
disk_log_count (GBytes *text)
{
  g_autoptr (GPtrArray) log = read_log (text);

  return log->len;
}

guint
disk_log_until_sync (GBytes *text, guint n)
{
  g_autoptr (GPtrArray) log = read_log (text);

  while (n < log->len && ((const Logged *)log->pdata[n])->op.kind != DISK_SYNCED)
    n++;
  return n;
}
