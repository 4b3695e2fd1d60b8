// SPDX-License-Identifier: GPL-2.0-or-later
// A directory in memory, twice: as a running program sees it (names only), and as the disk has it.
#pragma once

#include <glib.h>

typedef struct
{
  gboolean is_directory;
  guint mode;
  GHashTable *live;    // of a directory: name -> DiskObject
  GHashTable *on_disk; // the same, as it is on the disk
  GByteArray *data;    // of a file, on the disk
} DiskObject;

typedef struct
{
  DiskObject *root;
  GPtrArray *objects; // all, owned
} DiskTree;

/* The directory PATH as it is, which both views then show.  Ends the program if it cannot be read.
 */
DiskTree *disk_tree_load (const char *path);
void disk_tree_free (DiskTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DiskTree, disk_tree_free)

DiskObject *disk_tree_add (DiskTree *tree, gboolean is_directory, guint mode);

/* The live directory that PATH stands in; and what PATH is there, NULL if nothing.  */
DiskObject *disk_tree_parent (const DiskTree *tree, const char *path);
DiskObject *disk_tree_find (const DiskTree *tree, const char *path);

/* Set NAME of DIRECTORY, live or on the disk; NULL removes it.  */
void disk_object_set (GHashTable *directory, const char *name, DiskObject *object);

/* Make the new directory PATH with what is on the disk.  */
void disk_tree_write (const DiskTree *tree, const char *path);
