// SPDX-License-Identifier: GPL-2.0-or-later
// The connection to libvirt, and its errors as GError.

#include "libvirt-connection.h"

#include <libvirt/virterror.h>

#include "qcow-backing/fail.h"

#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT   5

gboolean
libvirt_fail (GError **error, const char *what)
{
  virErrorPtr last = virGetLastError ();

  return fail (error, "%s: %s", what,
               last && last->message ? last->message : "libvirt does not say why");
}

/* libvirt prints errors by itself unless told not to.  */
static void
ignore_error (void *data, virErrorPtr error)
{
}

const char *
libvirt_uri (void)
{
  const char *uri = g_getenv ("LIBVIRT_DEFAULT_URI");

  return uri ? uri : "qemu:///system";
}

virConnectPtr
libvirt_connect (GError **error)
{
  virSetErrorFunc (NULL, ignore_error);
  virConnectPtr connection = virConnectOpen (libvirt_uri ());
  if (!connection)
    libvirt_fail (error, "libvirt");
  return connection;
}

virConnectPtr
libvirt_connect_for_events (GError **error)
{
  if (virInitialize () < 0 || virEventRegisterDefaultImpl () < 0)
    {
      libvirt_fail (error, "libvirt's event loop");
      return NULL;
    }
  virConnectPtr connection = libvirt_connect (error);
  if (connection && virConnectSetKeepAlive (connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT) < 0)
    {
      libvirt_fail (error, "libvirt");
      g_clear_pointer (&connection, libvirt_close);
    }
  return connection;
}
