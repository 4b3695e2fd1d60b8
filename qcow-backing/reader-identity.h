// SPDX-License-Identifier: GPL-2.0-or-later
// Who reads an admin's image files when root publishes: the store's owner, with the right to read any file.
//
// A golden image may come from anywhere, and QEMU's programs parse it.  They run as this identity: whatever a
// hostile image makes of them, they can write nothing of root's and gain nothing by exec.
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct
{
  gboolean is_needed; // FALSE: stay who one is, being nobody special
  uid_t uid;
  gid_t gid;
} ReaderIdentity;

/* Become IDENTITY for good, with CAP_DAC_READ_SEARCH alone.  For a child between fork and exec: calls only
   what is safe in a signal handler.  Ends the process if it cannot.  */
void reader_identity_assume (const ReaderIdentity *identity);
