// SPDX-License-Identifier: GPL-2.0-or-later
// libmicrohttpd without threads of its own, in a GLib main loop.
//
// Its epoll descriptor and its timeout are one GSource, which calls MHD_run.

#include "http-source.h"

typedef struct
{
  GSource parent;
  struct MHD_Daemon *http;
  gpointer epoll_tag;
} HttpSource;

static gboolean
http_source_prepare (GSource *source, int *timeout_ms)
{
  MHD_UNSIGNED_LONG_LONG left;

  *timeout_ms = -1;
  if (MHD_get_timeout (((HttpSource *)source)->http, &left) == MHD_YES)
    *timeout_ms = (int)MIN (left, G_MAXINT);
  return *timeout_ms == 0;
}

static gboolean
http_source_check (GSource *source)
{
  int timeout_ms;

  return g_source_query_unix_fd (source, ((HttpSource *)source)->epoll_tag) != 0
         || http_source_prepare (source, &timeout_ms);
}

static gboolean
http_source_dispatch (GSource *source, GSourceFunc callback, gpointer data)
{
  MHD_run (((HttpSource *)source)->http);
  return G_SOURCE_CONTINUE;
}

GSource *
http_source_new (struct MHD_Daemon *http)
{
  static GSourceFuncs funcs = {
    http_source_prepare, http_source_check, http_source_dispatch, NULL, NULL, NULL
  };
  const union MHD_DaemonInfo *info = MHD_get_daemon_info (http, MHD_DAEMON_INFO_EPOLL_FD);
  GSource *source = g_source_new (&funcs, sizeof (HttpSource));

  ((HttpSource *)source)->http = http;
  ((HttpSource *)source)->epoll_tag = g_source_add_unix_fd (source, info->epoll_fd, G_IO_IN);
  return source;
}
