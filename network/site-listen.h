// SPDX-License-Identifier: GPL-2.0-or-later
// The socket at which other hosts find this one.
#pragma once

#include <glib.h>

/* A socket that listens at ADDRESS, an IP address as text, and PORT.  "::" is all addresses, those
   of IPv4 as well, and only these where the PC has no IPv6.  -1 on error.  */
int site_listen (const char *address, guint port, GError **error);
