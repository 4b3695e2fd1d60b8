// SPDX-License-Identifier: GPL-2.0-or-later
// What the service manager hears, on a socket with a path and on an abstract one.

#include <glib.h>
#include <glib/gstdio.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/service-notify.h"

static void
assert_heard (const char *name)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  char heard[100] = "";

  g_strlcpy (address.sun_path, name, sizeof address.sun_path);
  if (name[0] == '@')
    address.sun_path[0] = '\0';
  socklen_t size = (socklen_t)(offsetof (struct sockaddr_un, sun_path) + strlen (name));
  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, size), ==, 0);
  g_setenv ("NOTIFY_SOCKET", name, TRUE);
  service_notify ("READY=1");
  g_assert_cmpint (recv (fd, heard, sizeof heard - 1, MSG_DONTWAIT), ==, strlen ("READY=1"));
  g_assert_cmpstr (heard, ==, "READY=1");
  close (fd);
}

static void
test_path (void)
{
  g_autofree char *directory = g_dir_make_tmp ("gild-notify-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "sock", NULL);

  assert_heard (path);
  g_unlink (path);
  g_rmdir (directory);
}

static void
test_abstract (void)
{
  g_autofree char *uuid = g_uuid_string_random ();
  g_autofree char *name = g_strconcat ("@gild-notify-", uuid, NULL);

  assert_heard (name);
}

/* A service manager that is not there, or speaks no Unix, is no reason to complain or to end.  */
static void
test_nobody (void)
{
  g_autofree char *long_name = g_strnfill (200, '/');

  g_unsetenv ("NOTIFY_SOCKET");
  service_notify ("READY=1");
  g_setenv ("NOTIFY_SOCKET", "", TRUE);
  service_notify ("READY=1");
  g_setenv ("NOTIFY_SOCKET", "vsock:2:1234", TRUE);
  service_notify ("READY=1");
  g_setenv ("NOTIFY_SOCKET", long_name, TRUE);
  service_notify ("READY=1");
}

static void
test_gone (void)
{
  g_setenv ("NOTIFY_SOCKET", "/nowhere/notify", TRUE);
  g_test_expect_message ("gild", G_LOG_LEVEL_WARNING, "cannot notify*/nowhere/notify*");
  service_notify ("READY=1");
  g_test_assert_expected_messages ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/service-notify/nobody", test_nobody);
  g_test_add_func ("/service-notify/gone", test_gone);
  g_test_add_func ("/service-notify/path", test_path);
  g_test_add_func ("/service-notify/abstract", test_abstract);
  return g_test_run ();
}
