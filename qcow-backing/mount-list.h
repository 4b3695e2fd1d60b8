// SPDX-License-Identifier: GPL-2.0-or-later
// What is mounted where, as this process sees it.
#pragma once

#include <glib.h>

typedef struct
{
  char *place;  // absolute path
  char *source; // "/dev/loop0", or a word
} Mount;

/* The mounts, of Mount *, the last one first: so each comes before what it is mounted on.  Empty
   where the kernel does not tell.  */
GPtrArray *mount_list_read (void);

/* The same of FD, an open mountinfo file: of the mount namespace that whoever opened it had then.
 */
GPtrArray *mount_list_read_fd (int fd);

/* Open this process's mountinfo file; -1 and errno on error.  */
int mount_list_open (void);
