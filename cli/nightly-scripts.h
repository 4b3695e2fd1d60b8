// SPDX-License-Identifier: GPL-2.0-or-later
// The scripts of a night: DIRECTORY/DEPARTMENT/NAME, an executable for each image.
#pragma once

#include <gio/gio.h>

typedef struct
{
  char *image;   // DEPARTMENT/NAME
  char *path;    // of the script
  char *trouble; // why it must not be run; NULL: it may
} NightlyScript;

/* The scripts below DIRECTORY, sorted by image; of NightlyScript *, owned by the caller.  What is
   not named as an image is, or not executable, is none.  No DIRECTORY: no scripts.  */
GPtrArray *nightly_scripts (const char *directory, GError **error);
