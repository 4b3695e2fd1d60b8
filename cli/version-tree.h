// SPDX-License-Identifier: GPL-2.0-or-later
// The files of a version, read-only, in a file system that is mounted nowhere.
#pragma once

#include "qcow-backing/config.h"
#include "qcow-backing/partition-table.h"

typedef struct
{
  char *name;    // "demo/desktop@6"
  int disk_fd;   // the disk, as a file
  int mount_fd;  // its file system
  int fd;        // the top directory
  int errors_fd; // tells that the file system is damaged; -1 where it does not
  Partition part;
} VersionTree;

/* Mount, until it is freed or the process ends, the file system in PARTITION, as gild attach has
   it, of IMAGE's VERSION, by the host's nbdkit.  Its journal stays as it is, and no device, program
   or set-user-ID bit in it counts.  For root.  */
VersionTree *version_tree_open (const Config *config, const char *image, guint version,
                                int partition, GError **error);

/* Whether all that was read until now was in order: a directory's damaged part may be passed
   over.  */
gboolean version_tree_check (const VersionTree *tree, GError **error);

void version_tree_free (VersionTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VersionTree, version_tree_free)
