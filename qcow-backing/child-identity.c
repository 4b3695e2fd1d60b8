// SPDX-License-Identifier: GPL-2.0-or-later
// Who a child process of root is: never root.

#include "child-identity.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "privilege.h"

#define STATUS_CANNOT 127

static gboolean
leave_root (const ChildIdentity *identity)
{
  unshare (CLONE_NEWNET); // not to be had in some containers; the rest holds without it
  return prctl (PR_SET_KEEPCAPS, identity->may_read_any_file, 0, 0, 0) == 0
         && privilege_change_user (identity->uid, identity->gid)
         && privilege_keep (identity->may_read_any_file ? PRIVILEGE_BIT (CAP_DAC_READ_SEARCH) : 0,
                            TRUE);
}

void
child_identity_assume (const ChildIdentity *identity)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
      || (identity->is_needed && !leave_root (identity)))
    _exit (STATUS_CANNOT);
}
