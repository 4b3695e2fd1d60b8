// SPDX-License-Identifier: GPL-2.0-or-later
// Whether the server of the images is there, before a desktop is told to start on it.
//
// A connection alone says little where the socket is systemd's and nbdkit behind it cannot start,
// so the greeting is read.  The rest is the politest way out: the client's flags and NBD_OPT_ABORT.
// Protocol: NBD's doc/proto.md, "Fixed newstyle negotiation".

#include "nbd-check.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qcow-backing/fail.h"

#define TIMEOUT_SECONDS 3
#define RESTART_USEC    G_USEC_PER_SEC // within which nbdkit is there again if it ended
#define AGAIN_USEC      50000

#define REMEDY "start it with `systemctl start gild-nbd.socket` or `gild-services start`"

static const char GREETING[] = "NBDMAGICIHAVEOPT";
static const guint8 GOOD_BYE[] = { 0,   0,   0,   1,                       // fixed newstyle
                                   'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', //
                                   0,   0,   0,   2,                       // NBD_OPT_ABORT
                                   0,   0,   0,   0 };

static gboolean
connect_socket (int fd, const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct timeval timeout = { .tv_sec = TIMEOUT_SECONDS };

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  if (strlen (path) >= sizeof address.sun_path)
    errno = ENAMETOOLONG;
  else if (setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0
           && setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0
           && connect (fd, (struct sockaddr *)&address, sizeof address) == 0)
    return TRUE;
  return fail (error, "nbdkit does not answer at %s (%s): " REMEDY, path, g_strerror (errno));
}

static gboolean
read_greeting (int fd, const char *path, GError **error)
{
  char greeting[sizeof GREETING - 1 + 2]; // two bytes of flags

  gssize count = recv (fd, greeting, sizeof greeting, MSG_WAITALL);
  if (count == sizeof greeting && memcmp (greeting, GREETING, sizeof GREETING - 1) == 0)
    {
      if (send (fd, GOOD_BYE, sizeof GOOD_BYE, MSG_NOSIGNAL) > 0)
        (void)!recv (fd, greeting, sizeof greeting, 0);
      return TRUE;
    }
  return fail (error,
               "what listens at %s does not greet as nbdkit does (%s): see its log, and " REMEDY,
               path,
               count < 0    ? "no answer in time"
               : count == 0 ? "it hung up"
                            : "garbage");
}

gboolean
nbd_check (const char *socket_path, GError **error)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0)
    return fail_errno (error, "cannot make a socket");
  gboolean good = connect_socket (fd, socket_path, error) && read_greeting (fd, socket_path, error);
  close (fd);
  return good;
}

gboolean
nbd_await (const char *socket_path, GError **error)
{
  gint64 end = g_get_monotonic_time () + RESTART_USEC;
  g_autoptr (GError) last = NULL;

  while (!nbd_check (socket_path, &last))
    {
      if (g_get_monotonic_time () > end)
        {
          g_propagate_error (error, g_steal_pointer (&last));
          return FALSE;
        }
      g_clear_error (&last);
      g_usleep (AGAIN_USEC);
    }
  return TRUE;
}
