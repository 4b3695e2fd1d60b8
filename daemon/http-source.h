// SPDX-License-Identifier: GPL-2.0-or-later
// libmicrohttpd without threads of its own, in a GLib main loop.
#pragma once

#include <glib.h>
#include <microhttpd.h>

/* A source that runs HTTP, which was started with MHD_USE_EPOLL and without threads, and outlives
   the source.  */
GSource *http_source_new (struct MHD_Daemon *http);
