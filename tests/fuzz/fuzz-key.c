// SPDX-License-Identifier: GPL-2.0-or-later
// A site's public or secret key: whatever is read as one can be used.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/signature.h"

static gboolean
check_public (const char *text, gsize size)
{
  static const char SIGNED[] =
      "untrusted comment: by some other key\n"
      "RWR4bjzwxB9HQyKv9aeQu5+d4ryid9rlKzWMPlJ6Hw7YD9hBHTw5/BjVuUHBNGInQUkAYWZ89kv1V6I+mVYGeFJakDNUcPs5Uwg=\n"
      "another text\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (PublicKey) key = public_key_parse (text, size, &error);
  gsize signed_size;

  if (!fuzz_check_result (key, error))
    return FALSE;
  g_autofree char *signed_text =
      signature_verify (key, SIGNED, strlen (SIGNED), &signed_size, &error);
  g_assert_false (fuzz_check_result (signed_text, error));
  return TRUE;
}

static gboolean
check_secret (const char *text, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SigningKey) key = signing_key_parse (text, size, &error);

  if (!fuzz_check_result (key, error))
    return FALSE;
  g_autoptr (GBytes) signed_text = signature_sign (key, "x", 1, &error);
  fuzz_check_result (signed_text, error);
  return TRUE;
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  gboolean is_public = check_public ((const char *)data, size);

  return check_secret ((const char *)data, size) || is_public;
}
