// SPDX-License-Identifier: GPL-2.0-or-later
// gild diff --files: which files differ between two versions.

#include "diff-files.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/nbd-check.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-extents.h"
#include "qcow-backing/printable.h"
#include "version-tree.h"

/* The disks that two files are on.  */
typedef struct
{
  ExtentDisk old_disk, new_disk;
} Disks;

static gboolean
is_same (int old_fd, int new_fd, gpointer data)
{
  const Disks *disks = data;

  return file_extents_are_same (old_fd, &disks->old_disk, new_fd, &disks->new_disk);
}

static TreeDiff *
compare (const DiffSide *from, const VersionTree *from_tree, const DiffSide *to,
         const VersionTree *to_tree, GError **error)
{
  const Tree old_tree = { from_tree->fd, from_tree->name };
  const Tree new_tree = { to_tree->fd, to_tree->name };
  Disks disks = { { from->index, from_tree->part.offset_bytes },
                  { to->index, to_tree->part.offset_bytes } };
  g_autoptr (TreeDiff) diff = tree_diff (&old_tree, &new_tree, is_same, &disks, error);

  return diff && version_tree_check (from_tree, error) && version_tree_check (to_tree, error)
             ? g_steal_pointer (&diff)
             : NULL;
}

TreeDiff *
diff_files_find (const Config *config, const DiffSide *from, const DiffSide *to, int partition,
                 GError **error)
{
  g_autofree char *socket = config_run_path (config, "nbd.sock", NULL);

  if (!nbd_await (socket, error))
    return NULL;
  g_autoptr (VersionTree) from_tree =
      version_tree_open (config, from->image, from->version, partition, error);
  g_autoptr (VersionTree) to_tree =
      from_tree ? version_tree_open (config, to->image, to->version, partition, error) : NULL;
  return to_tree ? compare (from, from_tree, to, to_tree, error) : NULL;
}

void
diff_files_print (const TreeDiff *diff)
{
  for (guint i = 0; i < diff->changes->len; i++)
    {
      const TreeChange *change = diff->changes->pdata[i];
      g_autofree char *path = printable_path (change->path);
      printf ("%c %s\n", change->kind, path);
    }
}

static JsonObject *
describe (const TreeChange *change)
{
  const char kind[] = { (char)change->kind, '\0' };
  JsonObject *object = json_object_new ();
  g_autofree char *quoted =
      g_utf8_validate (change->path, -1, NULL) ? NULL : printable_path (change->path);

  json_object_set_string_member (object, "change", kind);
  json_object_set_string_member (object, "path", quoted ? quoted : change->path);
  json_object_set_boolean_member (object, "rights", change->rights_differ);
  if (change->old_size >= 0)
    json_object_set_int_member (object, "old_size", change->old_size);
  if (change->new_size >= 0)
    json_object_set_int_member (object, "new_size", change->new_size);
  return object;
}

void
diff_files_add_members (JsonObject *object, const TreeDiff *diff)
{
  JsonArray *files = json_array_new ();

  for (guint i = 0; i < diff->changes->len; i++)
    json_array_add_object_element (files, describe (diff->changes->pdata[i]));
  json_object_set_array_member (object, "files", files);
  json_object_set_int_member (object, "files_read", (gint64)diff->n_read);
}
