// SPDX-License-Identifier: GPL-2.0-or-later
// The program that shows a VM's screen to who runs gild: virt-viewer, or remote-viewer.

#include "screen-viewer.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/libvirt-connection.h"

G_NORETURN static void
become_viewer (const char *const argv[], pid_t parent)
{
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  if (getppid () == parent)
    {
      dup2 (STDERR_FILENO, STDOUT_FILENO);
      execv (argv[0], (char **)argv);
    }
  _exit (127);
}

/* virt-viewer gets the screen from libvirt, who lets root in without a password.  */
pid_t
screen_viewer_start (const char *domain, const char *address)
{
  g_autofree char *virt_viewer = g_find_program_in_path ("virt-viewer");
  g_autofree char *remote_viewer = g_find_program_in_path ("remote-viewer");
  const char *const by_libvirt[] = { virt_viewer, "--attach", "--connect", libvirt_uri (),
                                     "--",        domain,     NULL };
  const char *const by_address[] = { remote_viewer, "--", address, NULL };
  pid_t parent = getpid (), pid;

  if (!virt_viewer && (!remote_viewer || !address))
    return 0;
  fflush (stdout);
  pid = fork ();
  if (pid == 0)
    become_viewer (virt_viewer ? by_libvirt : by_address, parent);
  return MAX (pid, 0);
}

gboolean
screen_viewer_has_ended (pid_t pid)
{
  return waitpid (pid, NULL, WNOHANG) == pid;
}

void
screen_viewer_end (pid_t pid)
{
  if (pid > 0 && kill (pid, SIGKILL) == 0) // it has nothing to lose
    waitpid (pid, NULL, 0);
}
