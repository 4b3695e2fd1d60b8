// SPDX-License-Identifier: GPL-2.0-or-later
// A file that a pass phrase protects: what `gild key export` writes.
//
//   { "format": "gild-key-1", "kdf": "pbkdf2-hmac-sha256", "iterations", "salt", "cipher":
//     "aes-256-gcm", "nonce", "data" }
//
// salt, nonce and data are base64 (RFC 4648, 4); data ends with the tag.
#pragma once

#include <glib.h>

#define KEY_FILE_SIZE_MAX (32u << 20)

/* The shortest pass phrase that is taken, in bytes.  */
#define KEY_FILE_PASSPHRASE_MIN 8
#define KEY_FILE_PASSPHRASE_MAX 1024

/* The SIZE bytes at DATA, protected by PASSPHRASE; the caller's.  */
char *key_file_seal (const char *data, gsize size, const char *passphrase, GError **error);

/* A file as it was read, before it is opened.  */
typedef struct KeyFile KeyFile;
KeyFile *key_file_parse (const char *text, gsize size, GError **error);
void key_file_free (KeyFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KeyFile, key_file_free)

/* What was sealed with PASSPHRASE, NUL-terminated beyond *SIZE; the caller's, who wipes it.
   G_IO_ERROR_PERMISSION_DENIED if it was another pass phrase, or the file was changed.  Takes some
   tenths of a second, on purpose.  */
char *key_file_open (const KeyFile *file, const char *passphrase, gsize *size, GError **error);
