// SPDX-License-Identifier: GPL-2.0-or-later
// Signatures: Ed25519 in the file format of OpenBSD's signify.
//
// Format: signify.c and signify(1) of OpenBSD; every file is an "untrusted comment:" line and a
// line of base64. A signature is embedded (signify -S -e): the signed text follows those two lines.
#pragma once

#include <glib.h>

typedef struct SigningKey SigningKey;
typedef struct PublicKey PublicKey;

/* Make a key pair, and write it to SECRET_PATH (mode 0600) and PUBLIC_PATH, neither of which may
   exist.  */
gboolean signing_key_generate (const char *secret_path, const char *public_path, GError **error);

SigningKey *signing_key_load (const char *secret_path, GError **error);
SigningKey *signing_key_parse (const char *text, gsize size, GError **error);
void signing_key_free (SigningKey *key); // wipes it
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SigningKey, signing_key_free)

PublicKey *public_key_load (const char *public_path, GError **error);
PublicKey *public_key_parse (const char *text, gsize size, GError **error);
void public_key_free (PublicKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PublicKey, public_key_free)

/* TEXT with its signature before it, as signify -S -e writes.  */
GBytes *signature_sign (const SigningKey *key, const char *text, gsize size, GError **error);

/* The text in SIGNED, if KEY's owner signed it.  Owned by the caller, NUL-terminated beyond *SIZE.
 */
char *signature_verify (const PublicKey *key, const char *signed_text, gsize signed_size,
                        gsize *size, GError **error);
