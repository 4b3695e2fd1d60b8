// SPDX-License-Identifier: GPL-2.0-or-later
// Running what changes a copy of an image, watched, and clearing away what it leaves.
//
// The command has gild's own mount namespace, which is not the host's: so gild sees what it mounts,
// and the host does not.  All processes below it, orphans too, stay below gild.

#include "edit-command.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "edit-signals.h"
#include "left-behind.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/mount-list.h"

#define LOOK_MS          250 // how often the room on the disk is looked at
#define STATUS_SIGNAL    128 // what a shell adds to a signal's number
#define STATUS_NOT_FOUND 127
#define STATUS_CANNOT    126

gboolean
edit_command_prepare (EditCommand *command, GError **error)
{
  command->host_mounts = mount_list_open ();
  if (command->host_mounts < 0 || prctl (PR_SET_CHILD_SUBREAPER, 1) < 0)
    return fail_errno (error, "prepare for COMMAND");
  // What the host unmounts goes here too; what is mounted here, the host never sees.
  return geteuid () != 0
         || (unshare (CLONE_NEWNS) == 0 && mount (NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
         || fail_errno (error, "have a mount namespace for COMMAND");
}

G_NORETURN static void
become_command (const EditCommand *command, pid_t parent)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (STATUS_CANNOT);
  if (command->stdout_is_stderr)
    dup2 (STDERR_FILENO, STDOUT_FILENO);
  if (command->working_directory && chdir (command->working_directory) < 0)
    {
      fprintf (stderr, "gild edit: %s: %s\n", command->working_directory, strerror (errno));
      _exit (STATUS_CANNOT);
    }
  execvpe (command->argv[0], command->argv, command->environment);
  int status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT;
  fprintf (stderr, "gild edit: cannot run %s: %s\n", command->argv[0], strerror (errno));
  _exit (status);
}

/* Take note of children that have ended; whether PID is one, and *HOW.  */
static gboolean
take_ended (const EditCommand *command, pid_t pid, int *how)
{
  gboolean has_ended = FALSE;
  pid_t ended;
  int status;

  while ((ended = waitpid (-1, &status, WNOHANG)) > 0)
    {
      if (ended == pid)
        {
          has_ended = TRUE;
          *how = status;
        }
      else
        nbd_on_demand_has_ended (command->nbd, ended, status);
    }
  return has_ended;
}

int
edit_command_status (int how)
{
  return WIFSIGNALED (how) ? STATUS_SIGNAL + WTERMSIG (how) : WEXITSTATUS (how);
}

/* Whether COMMAND, which began at STARTED, may go on.  */
static gboolean
check_goes_on (const EditCommand *command, gint64 started, GError **error)
{
  return edit_signals_check (command->argv[0], started, command->timeout_seconds, error)
         && edit_directory_check_room (command->directory, error);
}

gboolean
edit_command_run (const EditCommand *command, int *how, GError **error)
{
  gint64 started = g_get_monotonic_time ();
  pid_t parent = getpid (), pid;

  fflush (stdout);
  pid = fork ();
  if (pid == 0)
    become_command (command, parent);
  if (pid < 0)
    return fail_errno (error, "start %s", command->argv[0]);
  while (!take_ended (command, pid, how))
    {
      if (!check_goes_on (command, started, error))
        return FALSE;
      if (edit_signals_wait (nbd_on_demand_fd (command->nbd), LOOK_MS))
        nbd_on_demand_serve (command->nbd);
    }
  return check_goes_on (command, g_get_monotonic_time (), error);
}

gboolean
edit_command_clear (const EditCommand *command, GError **error)
{
  gboolean ended = left_behind_kill (nbd_on_demand_pid (command->nbd), error);
  gboolean unmounted =
      left_behind_unmount (command->host_mounts, command->loop_name, ended ? error : NULL);

  left_behind_detach (edit_directory_path (command->directory));
  return ended && unmounted && nbd_on_demand_finish (command->nbd, error)
         && left_behind_wait (edit_directory_fd (command->directory), command->disk,
                              edit_directory_path (command->directory), error);
}
