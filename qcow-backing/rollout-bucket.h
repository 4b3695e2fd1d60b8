// SPDX-License-Identifier: GPL-2.0-or-later
// Which hosts a staged rollout reaches first.
#pragma once

#include <glib.h>

/* The bucket, 0 to 99, of HOST for VERSION of IMAGE: a rollout of so many percent reaches the hosts
   whose bucket is less.  The first 8 bytes, as a big-endian number, of the SHA-256 of
   "IMAGE@VERSION HOST", modulo 100: every host comes to the same, and each version begins with
   other hosts.  */
guint rollout_bucket (const char *image, guint version, const char *host);
