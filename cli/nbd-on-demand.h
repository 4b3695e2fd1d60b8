// SPDX-License-Identifier: GPL-2.0-or-later
// A socket behind which there is a qemu-nbd only while somebody is connected.
//
// So the disk is locked, as QEMU's programs lock what they have open, only while it is used there,
// and can be opened by its path at other times.
#pragma once

#include <sys/types.h>

#include "qcow-backing/child-identity.h"

typedef struct NbdOnDemand NbdOnDemand;

/* Listen at PATH for who wants DISK, an overlay over BACKING; qemu-nbd runs as IDENTITY.  */
NbdOnDemand *nbd_on_demand_new (const char *path, const char *disk, const char *backing,
                                const ChildIdentity *identity, GError **error);

/* End the server, if it runs, without waiting for what it has not written.  The socket's file
 * stays.
 */
void nbd_on_demand_free (NbdOnDemand *nbd);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NbdOnDemand, nbd_on_demand_free)

/* What is readable when somebody waits for a server; -1 while one runs.  */
int nbd_on_demand_fd (const NbdOnDemand *nbd);

/* Start the server for who waits, if DISK still is what it was.  */
void nbd_on_demand_serve (NbdOnDemand *nbd);

/* The child PID has ended with STATUS, as waitpid has it.  Was it the server's?  */
gboolean nbd_on_demand_has_ended (NbdOnDemand *nbd, pid_t pid, int status);

/* The server; 0 while none runs.  */
pid_t nbd_on_demand_pid (const NbdOnDemand *nbd);

/* Wait until the server has ended, as it does when nobody is connected any more; if that takes long
   end it, and fail.  */
gboolean nbd_on_demand_finish (NbdOnDemand *nbd, GError **error);
