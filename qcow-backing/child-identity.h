// SPDX-License-Identifier: GPL-2.0-or-later
// Who a child process of root is: never root.
//
// A golden image may come from anywhere, and QEMU's programs parse it.  Whatever a hostile image
// makes of them, they own nothing, have no network, and gain nothing by exec; they may read files,
// since that is their task.
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct
{
  gboolean is_needed; // FALSE: stay who one is, being nobody special
  uid_t uid;
  gid_t gid;
  gboolean may_read_any_file; // CAP_DAC_READ_SEARCH
} ChildIdentity;

/* Become IDENTITY for good.  For a child between fork and exec: calls only what is safe in a signal
   handler. Ends the process if it cannot.  */
void child_identity_assume (const ChildIdentity *identity);
