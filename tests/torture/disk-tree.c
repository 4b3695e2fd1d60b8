// SPDX-License-Identifier: GPL-2.0-or-later
// A directory in memory, twice: as a running program sees it (names only), and as the disk has it.

#include "disk-tree.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void
object_free (gpointer data)
{
  DiskObject *object = data;

  g_clear_pointer (&object->live, g_hash_table_unref);
  g_clear_pointer (&object->on_disk, g_hash_table_unref);
  g_byte_array_unref (object->data);
  g_free (object);
}

DiskObject *
disk_tree_add (DiskTree *tree, gboolean is_directory, guint mode)
{
  DiskObject *object = g_new0 (DiskObject, 1);

  *object = (DiskObject){ .is_directory = is_directory, .mode = mode };
  if (is_directory)
    {
      object->live = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      object->on_disk = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    }
  object->data = g_byte_array_new ();
  g_ptr_array_add (tree->objects, object);
  return object;
}

void
disk_object_set (GHashTable *directory, const char *name, DiskObject *object)
{
  if (object)
    g_hash_table_replace (directory, g_strdup (name), object);
  else
    g_hash_table_remove (directory, name);
}

static DiskObject *
load (DiskTree *tree, const char *path)
{
  g_autoptr (GError) error = NULL;
  struct stat status;
  const char *name;

  if (lstat (path, &status) < 0)
    g_error ("%s: %s", path, g_strerror (errno));
  DiskObject *object = disk_tree_add (tree, S_ISDIR (status.st_mode), status.st_mode & 07777);
  if (!object->is_directory)
    {
      g_autofree char *bytes = NULL;
      gsize size;
      if (!g_file_get_contents (path, &bytes, &size, &error))
        g_error ("%s", error->message);
      g_byte_array_append (object->data, (guint8 *)bytes, (guint)size);
      return object;
    }
  g_autoptr (GDir) directory = g_dir_open (path, 0, &error);
  if (!directory)
    g_error ("%s", error->message);
  while ((name = g_dir_read_name (directory)))
    {
      g_autofree char *child = g_build_filename (path, name, NULL);
      DiskObject *entry = load (tree, child);
      disk_object_set (object->live, name, entry);
      disk_object_set (object->on_disk, name, entry);
    }
  return object;
}

DiskTree *
disk_tree_load (const char *path)
{
  DiskTree *tree = g_new (DiskTree, 1);

  tree->objects = g_ptr_array_new_with_free_func (object_free);
  tree->root = load (tree, path);
  return tree;
}

void
disk_tree_free (DiskTree *tree)
{
  g_ptr_array_unref (tree->objects);
  g_free (tree);
}

DiskObject *
disk_tree_find (const DiskTree *tree, const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  DiskObject *object = tree->root;

  for (char **part = parts; *part && object; part++)
    object = object->is_directory ? g_hash_table_lookup (object->live, *part) : NULL;
  return object;
}

DiskObject *
disk_tree_parent (const DiskTree *tree, const char *path)
{
  const char *slash = strrchr (path, '/');
  g_autofree char *directory = slash ? g_strndup (path, (gsize)(slash - path)) : g_strdup ("");
  DiskObject *parent = disk_tree_find (tree, directory);

  if (!parent)
    g_error ("the log has %s, and its directory is not there", path);
  return parent;
}

static void
write_object (const DiskObject *object, const char *path)
{
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  gpointer name, entry;

  if (!object->is_directory
      && !g_file_set_contents_full (path, (char *)object->data->data, object->data->len,
                                    G_FILE_SET_CONTENTS_NONE, 0600, &error))
    g_error ("%s", error->message);
  if (object->is_directory && mkdir (path, 0700) < 0)
    g_error ("%s: %s", path, g_strerror (errno));
  if (object->is_directory)
    {
      g_hash_table_iter_init (&iter, object->on_disk);
      while (g_hash_table_iter_next (&iter, &name, &entry))
        {
          g_autofree char *child = g_build_filename (path, name, NULL);
          write_object (entry, child);
        }
    }
  if (chmod (path, object->mode) < 0)
    g_error ("%s: %s", path, g_strerror (errno));
}

void
disk_tree_write (const DiskTree *tree, const char *path)
{
  write_object (tree->root, path);
}
