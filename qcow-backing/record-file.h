// SPDX-License-Identifier: GPL-2.0-or-later
// A signed record on the disk: NAME.json.sig, which counts, and NAME.json, its text for people and
// tools.
//
// The .sig holds signature and text together, so that one rename replaces both.  The .json beside
// it may be older than the .sig for an instant, or after a crash; it is written after it.
#pragma once

#include "signature.h"

/* The largest record that is read.  */
#define RECORD_SIZE_MAX (16u << 20)

/* Sign TEXT and write it to PATH (which ends in .json) and PATH.sig, durably.  Replaces what is
 * there.  */
gboolean record_file_write (const char *path, const char *text, const SigningKey *key,
                            GError **error);

/* The same with SIGNED_TEXT, which another host signed, or rather the site's publisher: if KEY is
   not whose it is, nothing is written.  */
gboolean record_file_install (const char *path, GBytes *signed_text, const PublicKey *key,
                              GError **error);

/* The verified text of the record at PATH.  *SIZE may be NULL.  G_IO_ERROR_NOT_FOUND if there is
 * none.  */
char *record_file_read (const char *path, const PublicKey *key, gsize *size, GError **error);

/* Whether PATH itself says what PATH.sig says.  */
gboolean record_file_is_consistent (const char *path, const PublicKey *key, GError **error);

/* Make PATH say what PATH.sig says, which a crash between the two may have left undone.  */
gboolean record_file_mend (const char *path, const PublicKey *key, GError **error);
