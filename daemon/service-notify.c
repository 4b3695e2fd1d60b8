// SPDX-License-Identifier: GPL-2.0-or-later
// Telling the service manager how far the service is: sd_notify(3) without libsystemd.

#include "service-notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

void
service_notify (const char *state)
{
  const char *path = g_getenv ("NOTIFY_SOCKET");
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  gsize length = path ? strlen (path) : 0;

  if (length < 2 || length >= sizeof address.sun_path || !strchr ("/@", path[0]))
    return;
  memcpy (address.sun_path, path, length);
  if (path[0] == '@')
    address.sun_path[0] = '\0'; // an abstract socket: its name is as long as the address says
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0
      || sendto (fd, state, strlen (state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                 (socklen_t)(offsetof (struct sockaddr_un, sun_path) + length))
             < 0)
    g_warning ("cannot notify the service manager at %s: %m", path);
  if (fd >= 0)
    close (fd);
}
