// SPDX-License-Identifier: GPL-2.0-or-later
// Signatures: Ed25519 in the file format of OpenBSD's signify.

#include "signature.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "file-write.h"

#define COMMENT_START "untrusted comment: "
#define SEED_SIZE     32
#define POINT_SIZE    32
#define FILE_SIZE_MAX 4096

// signify.c: struct enckey, struct pubkey and struct sig; no padding, big-endian.
typedef struct
{
  char algorithm[2];     // "Ed"
  char kdf_algorithm[2]; // "BK"
  guint8 kdf_rounds[4];  // 0: no pass phrase
  guint8 salt[16];
  guint8 checksum[8]; // the first bytes of SHA-512 of what follows key_number
  guint8 key_number[8];
  guint8 seed[SEED_SIZE], point[POINT_SIZE];
} SecretKeyFile;

typedef struct
{
  char algorithm[2];
  guint8 key_number[8];
  guint8 point[POINT_SIZE];
} PublicKeyFile;

typedef struct
{
  char algorithm[2];
  guint8 key_number[8];
  guint8 signature[64];
} SignatureFile;

G_STATIC_ASSERT (sizeof (SecretKeyFile) == 104);
G_STATIC_ASSERT (sizeof (PublicKeyFile) == 42);
G_STATIC_ASSERT (sizeof (SignatureFile) == 74);

struct SigningKey
{
  SecretKeyFile file;
};

struct PublicKey
{
  PublicKeyFile file;
};

/* Read a comment line and a base64 line of exactly SIZE bytes into OUT; what follows them, in TEXT.
 */
static const char *
parse_block (const char *text, gsize text_size, void *out, gsize size, GError **error)
{
  const char *line = NULL, *end = NULL;
  gsize decoded_size = 0;

  if (text_size > strlen (COMMENT_START)
      && memcmp (text, COMMENT_START, strlen (COMMENT_START)) == 0)
    line = memchr (text, '\n', text_size);
  if (line)
    {
      line++;
      end = memchr (line, '\n', text_size - (gsize)(line - text));
    }
  if (!end || end - line > FILE_SIZE_MAX)
    {
      fail (error, "not a signify file");
      return NULL;
    }
  g_autofree char *base64 = g_strndup (line, (gsize)(end - line));
  g_autofree guchar *decoded = g_base64_decode (base64, &decoded_size);
  g_autofree char *again = g_base64_encode (decoded, decoded_size);
  // GLib also takes what no encoder writes, and a NUL for the end.
  gboolean is_exact = g_str_equal (again, base64) && strlen (base64) == (gsize)(end - line);
  explicit_bzero (again, strlen (again));
  if (!is_exact || decoded_size != size || memcmp (decoded, "Ed", 2) != 0)
    {
      fail (error, "not a signify file of an Ed25519 key");
      return NULL;
    }
  memcpy (out, decoded, size);
  explicit_bzero (decoded, decoded_size);
  explicit_bzero (base64, strlen (base64));
  return end + 1;
}

static char *
format_block (const char *comment, const void *data, gsize size)
{
  g_autofree char *base64 = g_base64_encode (data, size);

  return g_strdup_printf (COMMENT_START "%s\n%s\n", comment, base64);
}

static void
checksum_secret (const SecretKeyFile *file, guint8 checksum[8])
{
  guint8 digest[64];

  gnutls_hash_fast (GNUTLS_DIG_SHA512, file->seed, SEED_SIZE + POINT_SIZE, digest);
  memcpy (checksum, digest, 8);
}

/* A new key pair's seed and point.  */
static gboolean
make_pair (SecretKeyFile *file, GError **error)
{
  gnutls_privkey_t key;
  gnutls_datum_t point = { 0 }, seed = { 0 };
  int status = gnutls_privkey_init (&key);

  if (status == 0)
    status = gnutls_privkey_generate (key, GNUTLS_PK_EDDSA_ED25519,
                                      GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_ED25519), 0);
  if (status == 0)
    status = gnutls_privkey_export_ecc_raw (key, NULL, &point, NULL, &seed);
  if (status == 0 && point.size == POINT_SIZE && seed.size == SEED_SIZE)
    {
      memcpy (file->seed, seed.data, SEED_SIZE);
      memcpy (file->point, point.data, POINT_SIZE);
    }
  gnutls_free (point.data);
  gnutls_free (seed.data);
  gnutls_privkey_deinit (key);
  return status == 0 || fail (error, "make a signing key: %s", gnutls_strerror (status));
}

gboolean
signing_key_generate (const char *secret_path, const char *public_path, GError **error)
{
  SecretKeyFile secret = { .algorithm = "Ed", .kdf_algorithm = "BK" };
  PublicKeyFile public = { .algorithm = "Ed" };

  if (!make_pair (&secret, error))
    return FALSE;
  gnutls_rnd (GNUTLS_RND_RANDOM, secret.key_number, sizeof secret.key_number);
  checksum_secret (&secret, secret.checksum);
  memcpy (public.key_number, secret.key_number, sizeof public.key_number);
  memcpy (public.point, secret.point, POINT_SIZE);

  g_autofree char *secret_text = format_block ("gild site secret key", &secret, sizeof secret);
  g_autofree char *public_text = format_block ("gild site public key", &public, sizeof public);
  gboolean ok = file_write_durably (secret_path, secret_text, strlen (secret_text), 0600, error)
                && file_write_durably (public_path, public_text, strlen (public_text), 0644, error);
  explicit_bzero (&secret, sizeof secret);
  explicit_bzero (secret_text, strlen (secret_text));
  return ok;
}

SigningKey *
signing_key_parse (const char *text, gsize size, GError **error)
{
  static const guint8 NO_ROUNDS[4];
  g_autoptr (SigningKey) key = g_new0 (SigningKey, 1);
  guint8 checksum[8];

  if (!parse_block (text, size, &key->file, sizeof key->file, error))
    return NULL;
  if (memcmp (key->file.kdf_rounds, NO_ROUNDS, sizeof NO_ROUNDS) != 0)
    {
      fail (error, "the key has a pass phrase, which gild cannot ask for");
      return NULL;
    }
  checksum_secret (&key->file, checksum);
  if (memcmp (checksum, key->file.checksum, sizeof checksum) != 0)
    {
      fail (error, "the key is damaged");
      return NULL;
    }
  return g_steal_pointer (&key);
}

SigningKey *
signing_key_load (const char *secret_path, GError **error)
{
  g_autofree char *text = NULL;
  gsize size;

  if (!g_file_get_contents (secret_path, &text, &size, error))
    return NULL;
  SigningKey *key = signing_key_parse (text, size, error);
  explicit_bzero (text, size);
  if (!key)
    g_prefix_error (error, "%s: ", secret_path);
  return key;
}

void
signing_key_free (SigningKey *key)
{
  if (!key)
    return;
  explicit_bzero (key, sizeof *key);
  g_free (key);
}

PublicKey *
public_key_parse (const char *text, gsize size, GError **error)
{
  g_autoptr (PublicKey) key = g_new0 (PublicKey, 1);

  if (!parse_block (text, size, &key->file, sizeof key->file, error))
    return NULL;
  return g_steal_pointer (&key);
}

PublicKey *
public_key_load (const char *public_path, GError **error)
{
  g_autofree char *text = NULL;
  gsize size;

  if (!g_file_get_contents (public_path, &text, &size, error))
    return NULL;
  PublicKey *key = public_key_parse (text, size, error);
  if (!key)
    g_prefix_error (error, "%s: ", public_path);
  return key;
}

void
public_key_free (PublicKey *key)
{
  g_free (key);
}

GBytes *
signature_sign (const SigningKey *key, const char *text, gsize size, GError **error)
{
  SignatureFile file = { .algorithm = "Ed" };
  gnutls_datum_t seed = { (guint8 *)key->file.seed, SEED_SIZE };
  gnutls_datum_t point = { (guint8 *)key->file.point, POINT_SIZE };
  gnutls_datum_t message = { (guint8 *)text, (guint)size }, signature = { 0 };
  gnutls_privkey_t private;
  int status = gnutls_privkey_init (&private);

  if (status == 0)
    status = gnutls_privkey_import_ecc_raw (private, GNUTLS_ECC_CURVE_ED25519, &point, NULL, &seed);
  if (status == 0)
    status =
        gnutls_privkey_sign_data2 (private, GNUTLS_SIGN_EDDSA_ED25519, 0, &message, &signature);
  gnutls_privkey_deinit (private);
  if (status < 0 || signature.size != sizeof file.signature)
    {
      fail (error, "sign: %s", gnutls_strerror (status));
      return NULL;
    }
  memcpy (file.key_number, key->file.key_number, sizeof file.key_number);
  memcpy (file.signature, signature.data, sizeof file.signature);
  gnutls_free (signature.data);

  g_autofree char *block = format_block ("verify with site.pub", &file, sizeof file);
  gsize block_size = strlen (block);
  char *signed_text = g_malloc (block_size + size);
  memcpy (signed_text, block, block_size);
  memcpy (signed_text + block_size, text, size);
  return g_bytes_new_take (signed_text, block_size + size);
}

/* Whether SIGNATURE is KEY's of the SIZE bytes at TEXT.  */
static gboolean
is_signed (const PublicKey *key, const SignatureFile *file, const char *text, gsize size)
{
  gnutls_datum_t point = { (guint8 *)key->file.point, POINT_SIZE };
  gnutls_datum_t message = { (guint8 *)text, (guint)size };
  gnutls_datum_t signature = { (guint8 *)file->signature, sizeof file->signature };
  gnutls_pubkey_t public;
  int status = gnutls_pubkey_init (&public);

  if (status == 0)
    status = gnutls_pubkey_import_ecc_raw (public, GNUTLS_ECC_CURVE_ED25519, &point, NULL);
  if (status == 0)
    status =
        gnutls_pubkey_verify_data2 (public, GNUTLS_SIGN_EDDSA_ED25519, 0, &message, &signature);
  gnutls_pubkey_deinit (public);
  return status >= 0;
}

char *
signature_verify (const PublicKey *key, const char *signed_text, gsize signed_size, gsize *size,
                  GError **error)
{
  SignatureFile file;
  const char *text = parse_block (signed_text, signed_size, &file, sizeof file, error);

  if (!text)
    return NULL;
  *size = signed_size - (gsize)(text - signed_text);
  if (memcmp (file.key_number, key->file.key_number, sizeof file.key_number) != 0)
    {
      fail (error, "it was signed with another site's key");
      return NULL;
    }
  if (!is_signed (key, &file, text, *size))
    {
      fail (error, "its signature is wrong: it was changed or damaged after it was signed");
      return NULL;
    }
  char *copy = g_malloc (*size + 1);
  memcpy (copy, text, *size);
  copy[*size] = '\0';
  return copy;
}
