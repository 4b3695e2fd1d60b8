// SPDX-License-Identifier: GPL-2.0-or-later
// Boot profiles on the disk: STATE/images/D/N/V.profile.
//
// What is on the disk is believed no more than what comes over the wire: a profile that is damaged,
// or another version's, is removed with a message, and the next boots make it anew.
#pragma once

#include "boot-profile.h"
#include "image-library.h"

#define BOOT_PROFILE_SUFFIX ".profile"

/* The profile of IMAGE@VERSION, which is all that it must be; NULL where there is none.  */
BootProfile *boot_profile_load (const ImageLibrary *library, const char *image, guint version);

/* Merge BOOT, of one boot, into the profile of its version, durably; *BOOTS, which may be NULL, is
   of how many boots that is then.  G_IO_ERROR_NOT_FOUND where the version is not on this host,
   G_IO_ERROR_INVALID_ARGUMENT where BOOT cannot be of it, G_IO_ERROR_WOULD_BLOCK while a gc runs,
   which is not waited for.  Safe in several threads and processes.  */
gboolean boot_profile_add_boot (const ImageLibrary *library, const BootProfile *boot, guint *boots,
                                GError **error);

/* Have PROFILE, which another host has, in place of the one that is here, if it is of more boots;
   errors as of boot_profile_add_boot.  */
gboolean boot_profile_take_over (const ImageLibrary *library, const BootProfile *profile,
                                 GError **error);

/* Give VERSION of IMAGE, which has no record yet and consists of INDEX, the profile of PARENT (0:
   none) to begin with.  If that fails a message says so, and the version begins without.  */
void boot_profile_hand_down (const ImageLibrary *library, const char *image, guint parent,
                             guint version, const Index *index);
