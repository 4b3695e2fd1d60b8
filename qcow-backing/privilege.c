// SPDX-License-Identifier: GPL-2.0-or-later
// What a process of root's gives up: its user, and its capabilities.

#include "privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

gboolean
privilege_change_user (uid_t uid, gid_t gid)
{
  return setgroups (0, NULL) == 0 && setresgid (gid, gid, gid) == 0
         && setresuid (uid, uid, uid) == 0;
}

static gboolean
raise_ambient (guint64 set)
{
  for (int cap = 0; cap < 64; cap++)
    if ((set & PRIVILEGE_BIT (cap)) != 0
        && prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
      return FALSE;
  return TRUE;
}

gboolean
privilege_keep (guint64 kept, gboolean across_exec)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
  guint64 had = 0;

  if (syscall (SYS_capget, &header, data) < 0)
    return FALSE;
  for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
    {
      guint32 part = data[i].permitted & (guint32)(kept >> (32 * i));
      had |= (guint64)part << (32 * i);
      data[i].effective = data[i].permitted = part;
      data[i].inheritable = across_exec ? part : 0;
    }
  return syscall (SYS_capset, &header, data) == 0 && (!across_exec || raise_ambient (had));
}

gboolean
privilege_empty_bounding_set (void)
{
  for (int cap = 0; prctl (PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
    if (prctl (PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
      return FALSE;
  return TRUE;
}

gboolean
privilege_use_files_as (uid_t uid, gid_t gid)
{
  int signal = 0; // on the parent's death; the kernel forgets it with the identity

  prctl (PR_GET_PDEATHSIG, &signal);
  setfsuid (0); // who is not root cannot change the group
  setfsgid (gid);
  setfsuid (uid);
  prctl (PR_SET_PDEATHSIG, signal);
  errno = EPERM;
  // Neither call says whether it worked; a user that there is none of changes nothing.
  return setfsuid ((uid_t)-1) == (int)uid && setfsgid ((gid_t)-1) == (int)gid;
}
