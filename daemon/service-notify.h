// SPDX-License-Identifier: GPL-2.0-or-later
// Telling the service manager how far the service is: sd_notify(3) without libsystemd.
#pragma once

/* Send STATE ("READY=1", "STOPPING=1") to the socket that $NOTIFY_SOCKET names.  Does nothing where
   there is none.  */
void service_notify (const char *state);
