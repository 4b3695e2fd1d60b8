// SPDX-License-Identifier: GPL-2.0-or-later
// The screens of a domain, <graphics>: who reaches them, and where.
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/* The longest password that VNC has, in bytes.  */
#define DOMAIN_SCREEN_PASSWORD_MAX 8

/* Have the VNC and SPICE screens in DEVICES listen on this host alone, at a port or, where they did
   so before, a socket that libvirt chooses, and want PASSWORD.  Where there is none, one is added.
 */
void domain_screen_restrict (xmlNode *devices, const char *password);

/* Where the first such screen of a domain that runs is, by SIZE bytes of its XML, as
   "vnc://127.0.0.1:5900" or "vnc+unix:///PATH"; owned by the caller.  NULL where it has none that
   listens.  */
char *domain_screen_address (const char *xml, gsize size);
