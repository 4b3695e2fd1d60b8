// SPDX-License-Identifier: GPL-2.0-or-later
// The connection to libvirt, and its errors as GError.

#include "libvirt-connection.h"

#include <libvirt/virterror.h>

#include "qcow-backing/fail.h"

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

virConnectPtr
libvirt_connect (GError **error)
{
  const char *uri = g_getenv ("LIBVIRT_DEFAULT_URI");

  virSetErrorFunc (NULL, ignore_error);
  virConnectPtr connection = virConnectOpen (uri ? uri : "qemu:///system");
  if (!connection)
    libvirt_fail (error, "libvirt");
  return connection;
}
