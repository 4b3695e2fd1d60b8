// SPDX-License-Identifier: GPL-2.0-or-later
// Which files differ between two trees of directories.
#pragma once

#include <glib.h>

typedef struct
{
  int fd;           // its top directory
  const char *name; // for errors: "demo/desktop@6"
} Tree;

typedef enum
{
  TREE_ADDED = 'A',
  TREE_DELETED = 'D',
  TREE_MODIFIED = 'M', // a file's bytes, a link's target, a device's number
  TREE_RETYPED = 'T',  // a file is a link now, and so on
  TREE_RIGHTS = 'P',   // nothing but its mode, owner or group
} TreeChangeKind;

typedef struct
{
  TreeChangeKind kind;
  char *path;                // from the top, which is "/"; a directory's ends with "/"
  gboolean rights_differ;    // mode, owner or group
  gint64 old_size, new_size; // bytes of a file; -1 where it is none
} TreeChange;

/* Whether the files OLD_FD and NEW_FD, of the same size, are known to have the same bytes, so that
   they need not be read.  */
typedef gboolean (*TreeIsSameFunc) (int old_fd, int new_fd, gpointer data);

typedef struct
{
  GPtrArray *changes; // of TreeChange *, by path, which are compared by bytes
  guint64 n_read;     // files that had to be read, as nothing else told that they are the same
} TreeDiff;

/* Compare OLD_TREE with NEW_TREE, which must not change meanwhile.  No link is followed and no
   device opened.  Times do not count.  IS_SAME, which gets DATA, may be NULL.  An error names tree
   and path.  */
TreeDiff *tree_diff (const Tree *old_tree, const Tree *new_tree, TreeIsSameFunc is_same,
                     gpointer data, GError **error);
void tree_diff_free (TreeDiff *diff);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TreeDiff, tree_diff_free)

/* Deeper ones are an error: a damaged file system may have rings.  */
#define TREE_DEPTH_MAX 400u
