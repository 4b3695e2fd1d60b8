// SPDX-License-Identifier: GPL-2.0-or-later
// Whether the server of the images is there, before a desktop is told to start on it.
#pragma once

#include <glib.h>

/* Whether an NBD server greets at SOCKET_PATH within a few seconds.  An error says how to start it.
 */
gboolean nbd_check (const char *socket_path, GError **error);

/* The same for who is about to begin something on it: a server that ended an instant ago, and is
   started anew, is waited for.  Who looks again by itself calls nbd_check.  */
gboolean nbd_await (const char *socket_path, GError **error);
