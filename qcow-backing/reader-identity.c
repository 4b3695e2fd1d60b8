// SPDX-License-Identifier: GPL-2.0-or-later
// Who reads an admin's image files when root publishes: the store's owner, with the right to read any file.

#include "reader-identity.h"

#include <grp.h>
#include <linux/capability.h>
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

void
reader_identity_assume (const ReaderIdentity *identity)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    _exit (STATUS_CANNOT);
  if (!identity->is_needed)
    return;
  if (prctl (PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups (0, NULL) < 0
      || setresgid (identity->gid, identity->gid, identity->gid) < 0
      || setresuid (identity->uid, identity->uid, identity->uid) < 0 || !keep_read_capability ())
    _exit (STATUS_CANNOT);
}
