// SPDX-License-Identifier: GPL-2.0-or-later
// The token that lets a PC join a site.

#include "join-token.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "qcow-backing/fail.h"

#define SCHEME           "gild1://"
#define ADDRESS_SIZE_MAX 253 // RFC 1035

/* SIZE bytes at DATA as base64url.  */
static char *
encode (const guint8 *data, gsize size)
{
  char *text = g_base64_encode (data, size);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  *strchrnul (text, '=') = '\0';
  return text;
}

/* Read TEXT as SIZE bytes into OUT.  Each value has one spelling.  */
static gboolean
decode (const char *text, guint8 *out, gsize size)
{
  g_autoptr (GString) base64 = g_string_new (text);
  gsize decoded_size = 0;

  if (base64->len > 2 * size + 4)
    return FALSE;
  g_strdelimit (base64->str, "-", '+');
  g_strdelimit (base64->str, "_", '/');
  while (base64->len % 4 != 0)
    g_string_append_c (base64, '=');
  g_autofree guint8 *decoded = g_base64_decode (base64->str, &decoded_size);
  g_autofree char *again = encode (decoded, decoded_size);
  gboolean ok = decoded_size == size && g_str_equal (again, text);
  if (ok)
    memcpy (out, decoded, size);
  return ok;
}

gboolean
join_secret_parse (const char *text, guint8 secret[JOIN_SECRET_SIZE], GError **error)
{
  return decode (text, secret, JOIN_SECRET_SIZE)
         || fail_code (error, G_IO_ERROR_INVALID_ARGUMENT,
                       "the secret is not %d bytes of base64url", JOIN_SECRET_SIZE);
}

char *
join_secret_format (const guint8 secret[JOIN_SECRET_SIZE])
{
  return encode (secret, JOIN_SECRET_SIZE);
}

static gboolean
is_address (const char *text, gboolean is_bracketed)
{
  static const char OF_NAMES[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
  static const char OF_IPV6[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF:.%-_"; // fe80::1%eth0
  gsize size = strlen (text);

  return size >= 1 && size <= ADDRESS_SIZE_MAX
         && strspn (text, is_bracketed ? OF_IPV6 : OF_NAMES) == size && text[0] != '-';
}

/* Read "ADDRESS:PORT".  */
static gboolean
parse_place (JoinToken *token, const char *text)
{
  gboolean is_bracketed = text[0] == '[';
  const char *end = is_bracketed ? strstr (text, "]:") : strrchr (text, ':');
  guint64 port;

  if (!end || !g_ascii_string_to_unsigned (end + 1 + is_bracketed, 10, 1, 65535, &port, NULL))
    return FALSE;
  token->port = (guint)port;
  token->address = g_strndup (text + is_bracketed, (gsize)(end - text) - is_bracketed);
  return is_address (token->address, is_bracketed);
}

JoinToken *
join_token_parse (const char *text, GError **error)
{
  g_autoptr (JoinToken) token = g_new0 (JoinToken, 1);
  g_auto (GStrv) parts = NULL;

  if (strlen (text) <= JOIN_TOKEN_SIZE_MAX && g_str_has_prefix (text, SCHEME))
    parts = g_strsplit (text + strlen (SCHEME), "/", 4);
  if (parts && g_strv_length (parts) == 3 && parse_place (token, parts[0])
      && decode (parts[1], token->fingerprint, JOIN_FINGERPRINT_SIZE)
      && decode (parts[2], token->secret, JOIN_SECRET_SIZE))
    return g_steal_pointer (&token);
  fail_code (error, G_IO_ERROR_INVALID_ARGUMENT,
             "that is not a token: copy all of the line gild1://... that `gild invite` printed");
  return NULL;
}

void
join_token_free (JoinToken *token)
{
  if (!token)
    return;
  gnutls_memset (token->secret, 0, sizeof token->secret);
  g_free (token->address);
  g_free (token);
}

char *
join_token_format (const JoinToken *token)
{
  gboolean is_bracketed = strchr (token->address, ':') != NULL;
  g_autofree char *fingerprint = encode (token->fingerprint, JOIN_FINGERPRINT_SIZE);
  g_autofree char *secret = encode (token->secret, JOIN_SECRET_SIZE);

  return g_strdup_printf (SCHEME "%s%s%s:%u/%s/%s", is_bracketed ? "[" : "", token->address,
                          is_bracketed ? "]" : "", token->port, fingerprint, secret);
}
