// SPDX-License-Identifier: GPL-2.0-or-later
// A server that runs as our child ends with us, whatever it thinks of that.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qcow-backing/nbd-child.h"

#define BOUND_MS 10000
#define STEP_MS  10

/* The pid that the server has written to PATH; 0 if there is none in time.  */
static pid_t
wait_for_pid (const char *path)
{
  for (int ms = 0; ms < BOUND_MS; ms += STEP_MS)
    {
      g_autofree char *text = NULL;
      if (g_file_get_contents (path, &text, NULL, NULL) && g_str_has_suffix (text, "\n"))
        return (pid_t)g_ascii_strtoll (text, NULL, 10);
      g_usleep (STEP_MS * 1000);
    }
  return 0;
}

/* How PID, an orphan that has become ours, has ended; -1 if it has not.  */
static int
wait_for_end (pid_t pid)
{
  int status;

  for (int ms = 0; ms < BOUND_MS; ms += STEP_MS)
    {
      if (waitpid (pid, &status, WNOHANG) == pid)
        return status;
      g_usleep (STEP_MS * 1000);
    }
  return -1;
}

/* qemu-nbd takes a SIGTERM while it starts, and goes on.  */
static void
test_ends_with_parent (void)
{
  g_autofree char *directory = g_dir_make_tmp ("gild-child-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "pid", NULL);
  g_autofree char *script = g_strdup_printf ("trap '' TERM; echo $$ >'%s'; exec sleep 60", path);
  const char *argv[] = { "/bin/sh", "-c", script, NULL };
  const ChildIdentity identity = { .is_needed = FALSE };

  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), ==, 0);
  pid_t parent = fork ();
  g_assert_cmpint (parent, >=, 0);
  if (parent == 0)
    {
      g_autoptr (NbdChild) child = nbd_child_start ((char **)argv, &identity, NULL);
      pid_t pid = child ? wait_for_pid (path) : 0;
      if (child)
        nbd_child_hide_socket (child);
      kill (getpid (), pid > 0 ? SIGKILL : SIGABRT);
    }
  int status = wait_for_end (parent);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
  pid_t server = wait_for_pid (path);
  status = wait_for_end (server);
  if (status == -1)
    kill (server, SIGKILL);
  g_assert_cmpint (status, !=, -1);
  unlink (path);
  rmdir (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nbd-child/ends-with-its-parent", test_ends_with_parent);
  return g_test_run ();
}
