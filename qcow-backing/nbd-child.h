// SPDX-License-Identifier: GPL-2.0-or-later
// An NBD server of our own: qemu-nbd or nbdkit as a child process on a private Unix socket.
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "child-identity.h"

typedef struct NbdChild NbdChild;

/* A socket that listens at PATH, where there must be nothing yet; -1 on error.  */
int nbd_child_listen (const char *path, GError **error);

/* Run ARGV, which takes its listening socket as systemd passes one (LISTEN_FDS), as IDENTITY, with
   SOCKET_FD as that and SAID_FD for what it says; both stay the caller's.  Its pid, -1 with errno
   on error.  It ends with this process.  */
pid_t nbd_child_fork (char **argv, const ChildIdentity *identity, int socket_fd, int said_fd);

/* Set ERROR to WHAT and the last line of what is in SAID_FD.  Returns FALSE.  */
gboolean nbd_child_fail_said (int said_fd, const char *what, GError **error);

/* Run ARGV, which takes its listening socket as systemd passes one (LISTEN_FDS).  One can connect
   at once; a server that fails to start closes the connection.  It runs as IDENTITY, and ends with
   this process.  */
NbdChild *nbd_child_start (char **argv, const ChildIdentity *identity, GError **error);

/* End it, and remove its socket.  */
void nbd_child_stop (NbdChild *child);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NbdChild, nbd_child_stop)

/* The path of its socket, owned by CHILD.  */
const char *nbd_child_socket (const NbdChild *child);

/* Remove the socket from the file system, when all who shall connect are connected.  */
void nbd_child_hide_socket (NbdChild *child);

/* Set ERROR to what CHILD said last, WHAT being what was tried of it.  Returns FALSE.  */
gboolean nbd_child_fail (NbdChild *child, const char *what, GError **error);
