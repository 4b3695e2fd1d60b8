// SPDX-License-Identifier: GPL-2.0-or-later
// What a command leaves behind when it ends: processes, mounts, loop devices, and who holds a disk.
#pragma once

#include <glib.h>
#include <sys/types.h>

/* End all processes below this one, which is a child subreaper (prctl(2)), but KEPT and those of
   disks (fuse-disk.h): SIGTERM, and after some seconds SIGKILL.  Says on stderr which those were.
   Fails where one does not end.  */
gboolean left_behind_kill (pid_t kept, GError **error);

/* Unmount what is mounted in this process's mount namespace and not in that of HOST_MOUNTS
   (mount_list_open), last things first; what is not a loop device called LOOP_NAME is named on
   stderr.  Fails where something could be unmounted only lazily, so that it may not all be
   written.  */
gboolean left_behind_unmount (int host_mounts, const char *loop_name, GError **error);

/* Detach the loop devices of files in DIRECTORY, an absolute path, and name them on stderr.  */
void left_behind_detach (const char *directory);

/* Wait some seconds until nobody has files in the directory FD open that QEMU locks.  Fails naming
   who has NAME in it, PATH being its path.  */
gboolean left_behind_wait (int fd, const char *name, const char *path, GError **error);
