// SPDX-License-Identifier: GPL-2.0-or-later
// Running what changes a copy of an image, watched, and clearing away what it leaves.
#pragma once

#include "cli/nbd-on-demand.h"
#include "qcow-backing/edit-directory.h"

typedef struct
{
  char **argv;
  char **environment;
  const char *working_directory; // NULL: gild's
  guint timeout_seconds;         // 0: as long as it takes
  gboolean stdout_is_stderr;     // stdout has another use
  const EditDirectory *directory;
  NbdOnDemand *nbd;
  const char *disk;      // the overlay's name in DIRECTORY
  const char *loop_name; // of the loop devices that are this edit's own
  int host_mounts;       // mount_list_open, before the mount namespace was made
} EditCommand;

/* Have a mount namespace of one's own, if root, and be who orphans below this process become
   children of.  */
gboolean edit_command_prepare (EditCommand *command, GError **error);

/* Run COMMAND until it has ended, *HOW being as waitpid(2) has it.  Fails where it was ended: at
   the timeout, by a signal to this process, or as the disk has only its last tenth left.  */
gboolean edit_command_run (const EditCommand *command, int *how, GError **error);

/* The exit status that a shell makes of HOW.  */
int edit_command_status (int how);

/* End and unmount what it has left, so that all is written and nobody uses the disk.  On failure
   that is not so.  */
gboolean edit_command_clear (const EditCommand *command, GError **error);
