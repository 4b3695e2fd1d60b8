// SPDX-License-Identifier: GPL-2.0-or-later
// A file that a pass phrase protects.

#include "key-file.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/json-read.h"

#define FORMAT         "gild-key-1"
#define KDF            "pbkdf2-hmac-sha256"
#define CIPHER         "aes-256-gcm"
#define ITERATIONS     600000
#define ITERATIONS_MIN 100000
#define ITERATIONS_MAX 10000000
#define SALT_SIZE      16
#define KEY_SIZE       32
#define NONCE_SIZE     12
#define TAG_SIZE       16

struct KeyFile
{
  guint iterations;
  guint8 salt[SALT_SIZE], nonce[NONCE_SIZE];
  guint8 *data; // with the tag
  gsize size;
};

/* A cipher with the key that PASSPHRASE makes with SALT.  */
static gboolean
open_cipher (gnutls_aead_cipher_hd_t *cipher, const char *passphrase, const guint8 *salt,
             guint iterations, GError **error)
{
  guint8 key[KEY_SIZE];
  gnutls_datum_t key_datum = { key, sizeof key };
  gnutls_datum_t salt_datum = { (guint8 *)salt, SALT_SIZE };
  gnutls_datum_t passphrase_datum = { (guint8 *)passphrase, (guint)strlen (passphrase) };
  int status = gnutls_pbkdf2 (GNUTLS_MAC_SHA256, &passphrase_datum, &salt_datum, iterations, key,
                              sizeof key);

  if (status >= 0)
    status = gnutls_aead_cipher_init (cipher, GNUTLS_CIPHER_AES_256_GCM, &key_datum);
  gnutls_memset (key, 0, sizeof key);
  return status >= 0 || fail (error, "a key of the pass phrase: %s", gnutls_strerror (status));
}

static void
set_base64 (JsonObject *object, const char *member, const guint8 *data, gsize size)
{
  g_autofree char *text = g_base64_encode (data, size);

  json_object_set_string_member (object, member, text);
}

static char *
format (const KeyFile *file)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_string_member (object, "kdf", KDF);
  json_object_set_int_member (object, "iterations", file->iterations);
  set_base64 (object, "salt", file->salt, SALT_SIZE);
  json_object_set_string_member (object, "cipher", CIPHER);
  set_base64 (object, "nonce", file->nonce, NONCE_SIZE);
  set_base64 (object, "data", file->data, file->size);
  json_node_take_object (root, object);
  return json_write (root);
}

char *
key_file_seal (const char *data, gsize size, const char *passphrase, GError **error)
{
  g_autoptr (KeyFile) file = g_new0 (KeyFile, 1);
  gnutls_aead_cipher_hd_t cipher;

  file->iterations = ITERATIONS;
  file->size = size + TAG_SIZE;
  file->data = g_malloc (file->size);
  if (gnutls_rnd (GNUTLS_RND_KEY, file->salt, SALT_SIZE) < 0
      || gnutls_rnd (GNUTLS_RND_NONCE, file->nonce, NONCE_SIZE) < 0)
    {
      fail (error, "there are no random numbers");
      return NULL;
    }
  if (!open_cipher (&cipher, passphrase, file->salt, file->iterations, error))
    return NULL;
  int status = gnutls_aead_cipher_encrypt (cipher, file->nonce, NONCE_SIZE, NULL, 0, TAG_SIZE, data,
                                           size, file->data, &file->size);
  gnutls_aead_cipher_deinit (cipher);
  if (status >= 0)
    return format (file);
  fail (error, "encrypt: %s", gnutls_strerror (status));
  return NULL;
}

/* Read MEMBER, which is base64 of SIZE bytes.  */
static gboolean
read_base64 (JsonObject *object, const char *member, guint8 *out, gsize size, GError **error)
{
  const char *text = json_read_string (object, member, 2 * size + 4, error);
  gsize decoded_size = 0;
  g_autofree guint8 *decoded = text ? g_base64_decode (text, &decoded_size) : NULL;

  if (!decoded)
    return FALSE;
  if (decoded_size != size)
    return fail (error, "\"%s\" is not %" G_GSIZE_FORMAT " bytes of base64", member, size);
  memcpy (out, decoded, size);
  return TRUE;
}

/* Whether MEMBER is WANTED.  */
static gboolean
check_text (JsonObject *object, const char *member, const char *wanted, GError **error)
{
  const char *text = json_read_string (object, member, 100, error);

  return text
         && (g_str_equal (text, wanted)
             || fail (error, "\"%s\" is \"%s\", this gild reads \"%s\"", member, text, wanted));
}

KeyFile *
key_file_parse (const char *text, gsize size, GError **error)
{
  g_autoptr (KeyFile) file = g_new0 (KeyFile, 1);
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonObject *object = root ? json_node_get_object (root) : NULL;
  guint64 iterations;

  if (!object || !check_text (object, "kdf", KDF, error)
      || !check_text (object, "cipher", CIPHER, error)
      || !json_read_uint (object, "iterations", ITERATIONS_MIN, ITERATIONS_MAX, &iterations, error)
      || !read_base64 (object, "salt", file->salt, SALT_SIZE, error)
      || !read_base64 (object, "nonce", file->nonce, NONCE_SIZE, error))
    return NULL;
  const char *data = json_read_string (object, "data", KEY_FILE_SIZE_MAX, error);
  if (!data)
    return NULL;
  file->iterations = (guint)iterations;
  file->data = g_base64_decode (data, &file->size);
  if (file->size >= TAG_SIZE)
    return g_steal_pointer (&file);
  fail (error, "\"data\" is too short");
  return NULL;
}

void
key_file_free (KeyFile *file)
{
  if (!file)
    return;
  g_free (file->data);
  g_free (file);
}

char *
key_file_open (const KeyFile *file, const char *passphrase, gsize *size, GError **error)
{
  gnutls_aead_cipher_hd_t cipher;

  if (!open_cipher (&cipher, passphrase, file->salt, file->iterations, error))
    return NULL;
  *size = file->size - TAG_SIZE;
  g_autofree char *data = g_malloc (*size + 1);
  int status = gnutls_aead_cipher_decrypt (cipher, file->nonce, NONCE_SIZE, NULL, 0, TAG_SIZE,
                                           file->data, file->size, data, size);
  gnutls_aead_cipher_deinit (cipher);
  if (status < 0)
    {
      fail_code (error, G_IO_ERROR_PERMISSION_DENIED,
                 "the pass phrase is wrong, or the file is damaged");
      return NULL;
    }
  data[*size] = '\0';
  return g_steal_pointer (&data);
}
