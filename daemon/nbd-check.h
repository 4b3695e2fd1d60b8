// SPDX-License-Identifier: GPL-2.0-or-later
// Whether the server of the images is there, before a desktop is told to start on it.
#pragma once

#include <glib.h>

/* Whether an NBD server greets at SOCKET_PATH within a few seconds.  An error says how to start it.
 */
gboolean nbd_check (const char *socket_path, GError **error);
