// SPDX-License-Identifier: GPL-2.0-or-later
// A signed text: what passes for the key's is, byte for byte but for the comment, what it signs.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/signature.h"

// A key pair for this target alone, made by signify; it signed the good seeds.
static const char PUBLIC_KEY[] = "untrusted comment: public\n"
                                 "RWR4bjzwxB9HQ1oSxOmb1QP50vQlQS2Jk6Nhw3Aw1BnaADsygYtJvp74\n";
static const char SECRET_KEY[] =
    "untrusted comment: secret\n"
    "RWRCSwAAAABV8EDzw3T8diamU8SutYMHwVo1oj2Ys8F4bjzwxB9HQ9U5JB0pkP1nnL9MdI2rem7FFp6GPr/mfhzEBAbR67bJWhLE6ZvVA/nS9CVBLYmTo2HDcDDUGdoAOzKBi0m+nvg=\n";

/* What follows the comment in SIZE bytes of signed text.  */
static GBytes *
behind_comment (const void *data, gsize size)
{
  const guint8 *newline = memchr (data, '\n', size);
  gsize comment_size = (gsize)(newline + 1 - (const guint8 *)data);

  return g_bytes_new (newline + 1, size - comment_size);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (PublicKey) public = public_key_parse (PUBLIC_KEY, strlen (PUBLIC_KEY), NULL);
  g_autoptr (SigningKey) secret = signing_key_parse (SECRET_KEY, strlen (SECRET_KEY), NULL);
  g_autoptr (GError) error = NULL;
  gsize text_size;
  g_autofree char *text = signature_verify (public, (const char *)data, size, &text_size, &error);

  if (!fuzz_check_result (text, error))
    return FALSE;
  g_assert_cmpint (text[text_size], ==, '\0');
  g_autoptr (GBytes) signed_text = signature_sign (secret, text, text_size, &error);
  g_assert_no_error (error);
  g_autoptr (GBytes) read = behind_comment (data, size);
  g_autoptr (GBytes) written =
      behind_comment (g_bytes_get_data (signed_text, NULL), g_bytes_get_size (signed_text));
  g_assert_true (g_bytes_equal (read, written));
  return TRUE;
}
