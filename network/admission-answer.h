// SPDX-License-Identifier: GPL-2.0-or-later
// What a host is told that has joined.
#pragma once

#include <json-glib/json-glib.h>

#include "qcow-backing/site.h"

/* The answer of admission_join to host NAME: SITE, the text of its public key, the host's
   CERTIFICATE, and what this host knows of revocations, other hosts and images.  */
JsonObject *admission_answer_new (const Config *config, const Site *site, const char *name,
                                  const char *site_key, const char *certificate);
