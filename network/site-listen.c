// SPDX-License-Identifier: GPL-2.0-or-later
// The socket at which other hosts find this one.

#include "site-listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qcow-backing/fail.h"

#define BACKLOG 256 // a whole office at nine o'clock

/* Listen at INFO; -1 with errno set.  */
static int
listen_at (const struct addrinfo *info)
{
  static const int ON = 1, OFF = 0;
  int fd = socket (info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0)
    return -1;
  if (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &ON, sizeof ON) == 0
      && (info->ai_family != AF_INET6
          || setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &OFF, sizeof OFF) == 0)
      && bind (fd, info->ai_addr, info->ai_addrlen) == 0 && listen (fd, BACKLOG) == 0)
    return fd;
  int saved = errno;
  close (fd);
  errno = saved;
  return -1;
}

int
site_listen (const char *address, guint port, GError **error)
{
  const struct addrinfo hints = {
    .ai_family = AF_UNSPEC,
    .ai_socktype = SOCK_STREAM,
    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
  };
  g_autofree char *service = g_strdup_printf ("%u", port);
  struct addrinfo *info;
  int status = getaddrinfo (address, service, &hints, &info);

  if (status != 0)
    {
      fail (error, "'%s' is no address to listen at: %s", address, gai_strerror (status));
      return -1;
    }
  int fd = listen_at (info);
  int saved = errno;
  freeaddrinfo (info);
  if (fd < 0 && (saved == EAFNOSUPPORT || saved == EADDRNOTAVAIL) && g_str_equal (address, "::"))
    return site_listen ("0.0.0.0", port, error);
  errno = saved;
  if (fd < 0)
    fail_errno (error,
                "cannot listen at %s, port %u, for other hosts ([network] listen= and port=)",
                address, port);
  return fd;
}
