// SPDX-License-Identifier: GPL-2.0-or-later
// The program that shows a VM's screen to who runs gild: virt-viewer, or remote-viewer.
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Start the one that is installed for the screen of DOMAIN at ADDRESS (NULL: it does not listen);
   it ends with this process.  Its process; 0 where there is none.  */
pid_t screen_viewer_start (const char *domain, const char *address);

/* Whether the viewer PID has ended; from then on it is no child any more.  */
gboolean screen_viewer_has_ended (pid_t pid);

/* End it, if it has not (0: there is none).  */
void screen_viewer_end (pid_t pid);
