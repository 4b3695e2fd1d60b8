// SPDX-License-Identifier: GPL-2.0-or-later
// A domain that is there for as long as somebody follows it: a guest is started, heard and seen,
// and thrown away.
//
// libvirt destroys it when the connection that started it ends, so also when this process is killed
// (VIR_DOMAIN_START_AUTODESTROY); only a libvirtd that is killed itself leaves it running, to be
// ended when another one is there, by transient_domain_end or transient_domain_sweep.  Events come
// from GLib's default main context, which the caller runs; the connection is one of
// libvirt_connect_for_events.
#pragma once

#include <glib.h>

#include "libvirt-connection.h"

typedef struct TransientDomain TransientDomain;

typedef enum
{
  TRANSIENT_OFF,       // the guest has turned itself off
  TRANSIENT_RESET,     // the guest was reset, and starts anew
  TRANSIENT_PANICKED,  // the guest's kernel has told a panic device that it is no more
  TRANSIENT_DESTROYED, // somebody else has destroyed the domain
  TRANSIENT_FAILED, // QEMU has ended without the guest's doing, as by a signal, or libvirt is gone
} TransientEvent;

/* What the caller wants to hear of; each may be NULL.  They may not free the domain.  */
typedef struct
{
  void (*on_event) (TransientEvent event, gpointer data);
  void (*on_agent) (gpointer data); // the agent's channel was opened: guest_agent_answers
  void (*on_console) (const void *bytes, gsize size, gpointer data); // hostile
} TransientCalls;

/* Start the domain that XML describes, which must have a <serial type='pty'> where CALLS has
   on_console: then nothing that the guest says is lost, at the price of a second.  Fails where this
   host has less RAM to spare than it may use; other errors are libvirt's, or the hook's.  */
TransientDomain *transient_domain_start (virConnectPtr connection, const char *xml,
                                         const TransientCalls *calls, gpointer data,
                                         GError **error);

virDomainPtr transient_domain_get (const TransientDomain *domain);

/* A picture of the screen; *TYPE, "png" or "ppm", is static.  Fails where there is no screen.  */
GBytes *transient_domain_screenshot (const TransientDomain *domain, const char **type,
                                     GError **error);

/* Destroy the domain if it is there, and free DOMAIN.  When this returns QEMU and what the hook has
   made are gone.  Returns FALSE, and frees it all the same, where libvirt would not.  */
gboolean transient_domain_end (TransientDomain *domain, GError **error);

/* Destroy the transient domains of which IS_LEFTOVER says so: those that a libvirtd which was
   killed forgot.  */
gboolean transient_domain_sweep (virConnectPtr connection,
                                 gboolean (*is_leftover) (virDomainPtr domain, gpointer data),
                                 gpointer data, GError **error);
