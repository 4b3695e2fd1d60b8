// SPDX-License-Identifier: GPL-2.0-or-later
// What makes a host a publisher, to be carried to another one: `gild key`.
//
//   { "format": "gild-publisher-1", "site": { "name", "uuid" }, "public_key", "secret_key": as in
//     site.pub and site.sec, "ca", "ca_key": PEM, "certificates": { NAME: PEM, … }, "crl": PEM or
//     null }
#pragma once

#include "qcow-backing/config.h"

/* All of it, of this host, which has to be a publisher; the caller's, who wipes it.  */
char *publisher_keys_collect (const Config *config, GError **error);

/* Make this host a publisher of the site of the SIZE bytes at TEXT.  If it belongs to that site it
   gets the keys; if it belongs to none it becomes a new host of it, called NAME, in place of one of
   that name that there was.  Fails for a host of another site.  A crash leaves it to be done again.
 */
gboolean publisher_keys_install (const Config *config, const char *text, gsize size,
                                 const char *name, GError **error);
