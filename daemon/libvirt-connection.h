// SPDX-License-Identifier: GPL-2.0-or-later
// The connection to libvirt, and its errors as GError.
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* $LIBVIRT_DEFAULT_URI, or qemu:///system as for virsh run by root.  Not for the caller to free. */
const char *libvirt_uri (void);

/* Connect to it.  */
virConnectPtr libvirt_connect (GError **error);

/* The same, with libvirt's events: they come from GLib's default main context, which the caller has
   to run.  A libvirtd that hangs is a connection that is lost, within half a minute.  */
virConnectPtr libvirt_connect_for_events (GError **error);

/* Set ERROR to WHAT and what libvirt said last.  Returns FALSE.  */
gboolean libvirt_fail (GError **error, const char *what);

static inline void
libvirt_close (virConnectPtr connection)
{
  virConnectClose (connection);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virConnect, libvirt_close)
