// SPDX-License-Identifier: GPL-2.0-or-later
// The names of hosts.
#pragma once

#include <gnutls/x509.h>

#include "config.h"

/* Behind a host's name in certificates and URLs.  */
#define HOST_DOMAIN ".gild.internal"

/* A name is [a-z0-9][a-z0-9-]{0,62}.  */
#define HOST_NAME_SIZE_MAX 63
gboolean host_name_check (const char *name, GError **error);

/* What this host is called unless told otherwise: its hostname up to the first dot, in lower case,
   with a '-' for what a name must not have.  The caller's.  */
char *host_name_default (void);

/* The host that CERTIFICATE is for, the caller's.  Says nothing of who signed it.  */
char *host_certificate_name (gnutls_x509_crt_t certificate, GError **error);

/* What this host is called in its site: as its certificate has it, or, as long as it has none, by
   host_name_default.  The caller's.  */
char *host_name_own (const Config *config);
