// SPDX-License-Identifier: GPL-2.0-or-later
// The directories STATE/edit/edit-XXXXXX: one for each edit that runs, with its overlay.
//
// STATE/edit is root's.  Who edits holds a lock (flock) on its directory, so one that nobody has
// locked is what an edit that was killed has left.
#pragma once

#include "config.h"

/* What the name of each begins with.  */
#define EDIT_DIRECTORY_PREFIX "edit-"

/* The name of the overlay in it.  */
#define EDIT_DIRECTORY_DISK "disk.qcow2"

typedef struct EditDirectory EditDirectory;

/* Make one, after what killed edits have left was removed.  Nobody but its owner can list it; who
   knows a name in it reaches that.  Fails where the disk has only its last tenth left.  */
EditDirectory *edit_directory_make (const Config *config, GError **error);

/* Remove it with the files in it.  */
void edit_directory_remove (EditDirectory *directory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EditDirectory, edit_directory_remove)

/* Its absolute path, and itself for calls of the *at family; owned by DIRECTORY.  */
const char *edit_directory_path (const EditDirectory *directory);
int edit_directory_fd (const EditDirectory *directory);

/* Whether the disk that it is on has more than its last tenth left.  */
gboolean edit_directory_check_room (const EditDirectory *directory, GError **error);

/* Whether somebody edits in the directory NAME, whatever that is, of STATE/edit.  */
gboolean edit_directory_is_used (const Config *config, const char *name);

/* Remove what killed edits have left.  */
gboolean edit_directory_sweep (const Config *config, GError **error);
