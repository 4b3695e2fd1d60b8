// SPDX-License-Identifier: GPL-2.0-or-later
// What checks have found, and where those that run keep what the guest says.
//
//   STATE/checks/DEPARTMENT/NAME/VERSION/   of the last check of a version: result.json, and the
//                                           files that it names
//   STATE/checks/.running/ID/               of a check that runs, which holds a lock (flock) on it:
//                                           one that nobody has locked is what a killed one left
//   STATE/checks/.lock                      whoever makes or removes any of them
//
// All of it is the store owner's, who all but check_results_prepare is to be called as.
#pragma once

#include "check-record.h"
#include "image-library.h"

typedef struct CheckDirectory CheckDirectory;

/* Have STATE/checks, for the store's owner.  */
gboolean check_results_prepare (const Config *config, GError **error);

/* Make a directory for a check, and remove those of checks that were killed.  */
CheckDirectory *check_directory_make (const Config *config, GError **error);

/* Remove it, if it was not kept, and unlock it.  */
void check_directory_free (CheckDirectory *directory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CheckDirectory, check_directory_free)

/* Its ID: eight hexadecimal digits; and the path of a file in it, owned by the caller.  */
const char *check_directory_id (const CheckDirectory *directory);
char *check_directory_file (const CheckDirectory *directory, const char *name);

/* Whether the check ID, whatever that is, runs.  */
gboolean check_is_running (const Config *config, const char *id);

/* Make RECORD and the files that it names, which are in DIRECTORY, the version's result, in the
   place of an older one: the files first, so that whoever reads a record finds them.  */
gboolean check_directory_keep (CheckDirectory *directory, const CheckRecord *record,
                               GError **error);

/* The path of the file NAME of a version's result, owned by the caller.  */
char *check_results_file (const Config *config, const char *image, guint version, const char *name);

/* The last result of a version; NULL without an error where it was never checked.  */
CheckRecord *check_results_load (const Config *config, const char *image, guint version,
                                 GError **error);

/* Remove the results of versions that are not in LIBRARY, and what killed checks have left.  */
gboolean check_results_sweep (const Config *config, const ImageLibrary *library, GError **error);
