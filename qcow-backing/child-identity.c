// SPDX-License-Identifier: GPL-2.0-or-later
// Who a child process of root is: never root.

#include "child-identity.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATUS_CANNOT 127

/* Keep the capability to read any file, also across exec (capabilities(7), ambient set).  */
static gboolean
keep_read_capability (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
    { .effective = 1u << CAP_DAC_READ_SEARCH,
      .permitted = 1u << CAP_DAC_READ_SEARCH,
      .inheritable = 1u << CAP_DAC_READ_SEARCH },
  };

  return syscall (SYS_capset, &header, data) == 0
         && prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) == 0;
}

static gboolean
leave_root (const ChildIdentity *identity)
{
  unshare (CLONE_NEWNET); // not to be had in some containers; the rest holds without it
  return prctl (PR_SET_KEEPCAPS, identity->may_read_any_file, 0, 0, 0) == 0
         && setgroups (0, NULL) == 0 && setresgid (identity->gid, identity->gid, identity->gid) == 0
         && setresuid (identity->uid, identity->uid, identity->uid) == 0
         && (!identity->may_read_any_file || keep_read_capability ());
}

void
child_identity_assume (const ChildIdentity *identity)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
      || (identity->is_needed && !leave_root (identity)))
    _exit (STATUS_CANNOT);
}
