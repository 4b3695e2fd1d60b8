// SPDX-License-Identifier: GPL-2.0-or-later
// gild diff --files: which files differ between two versions.
#pragma once

#include <json-glib/json-glib.h>

#include "qcow-backing/config.h"
#include "qcow-backing/index.h"
#include "qcow-backing/tree-diff.h"

/* A version whose index is open, so that gc leaves it alone.  */
typedef struct
{
  const char *image;
  guint version;
  const Index *index;
} DiffSide;

/* Compare the files in PARTITION, as gild attach has it, of FROM and TO.  For root.  */
TreeDiff *diff_files_find (const Config *config, const DiffSide *from, const DiffSide *to,
                           int partition, GError **error);

/* Print a line for each file that differs.  */
void diff_files_print (const TreeDiff *diff);

/* The same as members of OBJECT.  */
void diff_files_add_members (JsonObject *object, const TreeDiff *diff);
