// SPDX-License-Identifier: GPL-2.0-or-later
// A socket behind which there is a qemu-nbd only while somebody is connected.

#include "nbd-on-demand.h"

#include <json-glib/json-glib.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qcow-backing/disk-image.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/nbd-child.h"

#define FINISH_SECONDS 10

struct NbdOnDemand
{
  char *disk, *backing;
  ChildIdentity identity;
  int socket_fd, said_fd;
  pid_t pid; // 0: none runs
};

NbdOnDemand *
nbd_on_demand_new (const char *path, const char *disk, const char *backing,
                   const ChildIdentity *identity, GError **error)
{
  int socket_fd = nbd_child_listen (path, error);

  if (socket_fd < 0)
    return NULL;
  NbdOnDemand *nbd = g_new (NbdOnDemand, 1);
  *nbd = (NbdOnDemand){ g_strdup (disk),
                        g_strdup (backing),
                        *identity,
                        socket_fd,
                        memfd_create ("qemu-nbd", MFD_CLOEXEC),
                        0 };
  return nbd;
}

void
nbd_on_demand_free (NbdOnDemand *nbd)
{
  if (!nbd)
    return;
  if (nbd->pid > 0 && kill (nbd->pid, SIGKILL) == 0)
    waitpid (nbd->pid, NULL, 0);
  close (nbd->socket_fd);
  close (nbd->said_fd);
  g_free (nbd->disk);
  g_free (nbd->backing);
  g_free (nbd);
}

int
nbd_on_demand_fd (const NbdOnDemand *nbd)
{
  return nbd->pid > 0 ? -1 : nbd->socket_fd;
}

/* Send the client away who waits, or it would wait for ever.  */
static void
hang_up (NbdOnDemand *nbd)
{
  struct pollfd waits = { .fd = nbd->socket_fd, .events = POLLIN };
  int fd = poll (&waits, 1, 0) == 1 ? accept4 (nbd->socket_fd, NULL, NULL, SOCK_CLOEXEC) : -1;

  if (fd >= 0)
    close (fd);
}

/* What qemu-nbd shall open.  QEMU takes the backing file's place from the header, which was looked
   at; an nbdkit that is being restarted is waited for.  */
static char *
build_blockdev (const char *disk)
{
  g_autoptr (JsonNode) root =
      json_from_string ("{\"driver\":\"qcow2\",\"discard\":\"unmap\",\"detect-zeroes\":\"unmap\","
                        "\"file\":{\"driver\":\"file\",\"discard\":\"unmap\"},"
                        "\"backing\":{\"driver\":\"raw\",\"file\":{\"driver\":\"nbd\","
                        "\"reconnect-delay\":60}}}",
                        NULL);
  JsonObject *file = json_object_get_object_member (json_node_get_object (root), "file");

  json_object_set_string_member (file, "filename", disk);
  g_autofree char *json = json_to_string (root, FALSE);
  return g_strconcat ("json:", json, NULL);
}

/* The server's pid; -1 on error.  */
static pid_t
start_server (const NbdOnDemand *nbd, GError **error)
{
  g_autofree char *blockdev = build_blockdev (nbd->disk);
  const char *argv[] = { QEMU_NBD, "--shared=0", "--cache=writeback", blockdev, NULL };
  pid_t pid = -1;

  if (disk_image_check_overlay (nbd->disk, nbd->backing, error))
    {
      pid = nbd_child_fork ((char **)argv, &nbd->identity, nbd->socket_fd, nbd->said_fd);
      if (pid < 0)
        fail_errno (error, "start %s", argv[0]);
    }
  return pid;
}

void
nbd_on_demand_serve (NbdOnDemand *nbd)
{
  g_autoptr (GError) error = NULL;
  pid_t pid = start_server (nbd, &error);

  if (pid > 0)
    {
      nbd->pid = pid;
      return;
    }
  g_message ("what is at $GILD_NBD cannot be served: %s", error->message);
  hang_up (nbd);
}

gboolean
nbd_on_demand_has_ended (NbdOnDemand *nbd, pid_t pid, int status)
{
  g_autoptr (GError) error = NULL;

  if (pid != nbd->pid)
    return FALSE;
  nbd->pid = 0;
  if (status == 0)
    return TRUE;
  nbd_child_fail_said (nbd->said_fd, "what is at $GILD_NBD cannot be served", &error);
  g_message ("%s", error->message);
  hang_up (nbd);
  return TRUE;
}

pid_t
nbd_on_demand_pid (const NbdOnDemand *nbd)
{
  return nbd->pid;
}

gboolean
nbd_on_demand_finish (NbdOnDemand *nbd, GError **error)
{
  gint64 asking = g_get_monotonic_time () + FINISH_SECONDS * G_TIME_SPAN_SECOND / 2;
  gint64 end = asking + FINISH_SECONDS * G_TIME_SPAN_SECOND / 2;
  gboolean is_asked = FALSE;
  int status;

  while (nbd->pid > 0 && g_get_monotonic_time () < end)
    {
      if (waitpid (nbd->pid, &status, WNOHANG) == nbd->pid)
        nbd->pid = 0;
      else
        g_usleep (G_TIME_SPAN_SECOND / 50);
      if (!is_asked && nbd->pid > 0 && g_get_monotonic_time () > asking)
        is_asked = kill (nbd->pid, SIGTERM) == 0;
    }
  if (nbd->pid == 0 && is_asked)
    return fail (error, "somebody was still connected to $GILD_NBD");
  return nbd->pid == 0 || fail (error, "qemu-nbd at $GILD_NBD does not end");
}
