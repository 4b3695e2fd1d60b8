// SPDX-License-Identifier: GPL-2.0-or-later
// What is taken for an NBD server, and what not.

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/nbd-check.h"

typedef struct
{
  const char *name;
  const char *greeting;
  gsize size;
  const char *sentence; // a glob; NULL: it is an NBD server
  gboolean silent;      // does not hang up by itself
} Server;

static const Server SERVERS[] = {
  { "nothing", "", 0, "*it hung up*see its log*gild-services start*", FALSE },
  { "nothing for ever", "", 0, "*no answer in time*", TRUE },
  { "another protocol", "SSH-2.0-OpenSSH_9.2\r\n", 21, "*garbage*", FALSE },
  { "a greeting cut short", "NBDMAGICIHAVEOP", 15, "*garbage*", FALSE },
  { "the old style", "NBDMAGIC\0\0\x42\x02\x81\x86\x12\x53\0\0", 18, "*garbage*", TRUE },
  { "the new style", "NBDMAGICIHAVEOPT\0\3", 18, NULL, TRUE },
};

typedef struct
{
  int fd;
  const Server *server;
  char heard[64];
  gsize heard_size;
} Conversation;

static gpointer
serve (gpointer data)
{
  Conversation *conversation = data;
  const Server *server = conversation->server;
  int fd = accept (conversation->fd, NULL, NULL);

  g_assert_cmpint (send (fd, server->greeting, server->size, MSG_NOSIGNAL), ==, server->size);
  if (server->silent)
    {
      gssize count = recv (fd, conversation->heard, sizeof conversation->heard, 0);
      conversation->heard_size = count > 0 ? (gsize)count : 0;
    }
  close (fd);
  return NULL;
}

static void
test_server (gconstpointer data)
{
  g_autofree char *directory = g_dir_make_tmp ("gild-nbd-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "sock", NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autoptr (GError) error = NULL;
  Conversation conversation = { .fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                .server = data };

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (conversation.fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (listen (conversation.fd, 1), ==, 0);
  GThread *thread = g_thread_new ("server", serve, &conversation);
  gboolean good = nbd_check (path, &error);
  g_thread_join (thread);
  if (conversation.server->sentence)
    g_assert_true (g_pattern_match_simple (conversation.server->sentence, error->message));
  else
    {
      g_assert_no_error (error);
      // The flags, then "IHAVEOPT", NBD_OPT_ABORT and no data.
      g_assert_cmpmem (conversation.heard, conversation.heard_size,
                       "\0\0\0\1IHAVEOPT\0\0\0\2\0\0\0\0", 20);
    }
  g_assert_cmpint (good, ==, !conversation.server->sentence);
  close (conversation.fd);
  g_unlink (path);
  g_rmdir (directory);
}

static void
test_nobody (void)
{
  g_autofree char *long_path = g_strnfill (300, '/');
  g_autoptr (GError) error = NULL;

  g_assert_false (nbd_check ("/nowhere/nbd.sock", &error));
  g_assert_true (g_pattern_match_simple (
      "nbdkit does not answer at /nowhere/nbd.sock (No such file*): start it with *",
      error->message));
  g_clear_error (&error);
  g_assert_false (nbd_check (long_path, &error));
  g_assert_true (g_pattern_match_simple ("*File name too long*", error->message));
}

/* It is started anew a moment later.  */
static gpointer
serve_later (gpointer data)
{
  const char *path = data;
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  Conversation conversation = { .fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                .server = &SERVERS[G_N_ELEMENTS (SERVERS) - 1] };

  g_usleep (G_USEC_PER_SEC / 5);
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (conversation.fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (listen (conversation.fd, 1), ==, 0);
  serve (&conversation);
  close (conversation.fd);
  return NULL;
}

static void
test_await (void)
{
  g_autofree char *directory = g_dir_make_tmp ("gild-nbd-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "sock", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (nbd_await (path, &error));
  g_assert_true (g_pattern_match_simple ("nbdkit does not answer at *", error->message));
  g_clear_error (&error);
  GThread *thread = g_thread_new ("server", serve_later, path);
  g_assert_true (nbd_await (path, &error));
  g_assert_no_error (error);
  g_thread_join (thread);
  g_unlink (path);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nbd-check/nobody", test_nobody);
  g_test_add_func ("/nbd-check/await", test_await);
  for (gsize i = 0; i < G_N_ELEMENTS (SERVERS); i++)
    {
      g_autofree char *name = g_strdup_printf ("/nbd-check/%s", SERVERS[i].name);
      g_test_add_data_func (name, &SERVERS[i], test_server);
    }
  return g_test_run ();
}
