// SPDX-License-Identifier: GPL-2.0-or-later
// What a process of root's gives up: its user, and its capabilities.
//
// All of it but privilege_use_files_as is for good, and safe between fork and exec.  Each function
// returns FALSE and sets errno if it cannot.
#pragma once

#include <glib.h>
#include <sys/types.h>

/* A set of capabilities (capabilities(7)), of which CAP is one: CAP_SYS_ADMIN and so on.  */
#define PRIVILEGE_BIT(cap) (G_GUINT64_CONSTANT (1) << (cap))

/* Become user UID of group GID, and member of no other group.  */
gboolean privilege_change_user (uid_t uid, gid_t gid);

/* Have no capabilities but those of KEPT that one has.  What one executes has them too if
   ACROSS_EXEC; else it has none for a user other than root, and for root those of the bounding set.
 */
gboolean privilege_keep (guint64 kept, gboolean across_exec);

/* Empty the bounding set: what is executed has no capability, not even as root.  Needs
   CAP_SETPCAP.  */
gboolean privilege_empty_bounding_set (void);

/* Have this thread use files as user UID of group GID would, until it asks for another: root's,
   with 0 and 0, it can have again.  What it executes and whom it signals it does as before.  */
gboolean privilege_use_files_as (uid_t uid, gid_t gid);
