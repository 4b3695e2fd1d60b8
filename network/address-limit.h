// SPDX-License-Identifier: GPL-2.0-or-later
// How often each address may do something.
#pragma once

#include <glib.h>
#include <sys/socket.h>

typedef struct AddressLimit AddressLimit;

/* RATE times a second, BURST at once.  Safe to use from several threads.  */
AddressLimit *address_limit_new (guint rate, guint burst);
void address_limit_free (AddressLimit *limit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AddressLimit, address_limit_free)

/* Whether ADDRESS may do it now, at the monotonic time NOW_US.  Who has one IPv6 address has 2^64,
   so these are one.  What it remembers of addresses is bounded.  */
gboolean address_limit_take (AddressLimit *limit, const struct sockaddr *address, gint64 now_us);

/* What counts of ADDRESS: all of an IPv4 one, also within IPv6, half of an IPv6 one.  */
guint64 address_key (const struct sockaddr *address);

/* ADDRESS as text, an IPv4 one in an IPv6 one as IPv4; owned by the caller.  */
char *address_to_text (const struct sockaddr *address);
