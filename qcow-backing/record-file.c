// SPDX-License-Identifier: GPL-2.0-or-later
// A signed record on the disk: NAME.json.sig, which counts, and NAME.json, its text for people and
// tools.

#include "record-file.h"

#include <string.h>

#include "fail.h"
#include "file-read.h"
#include "file-write.h"

/* Write SIGNED_TEXT beside PATH, and TEXT, which is what it says, to PATH.  */
static gboolean
write_both (const char *path, GBytes *signed_text, const char *text, gsize size, GError **error)
{
  g_autofree char *signed_path = g_strconcat (path, ".sig", NULL);

  return file_write_durably (signed_path, g_bytes_get_data (signed_text, NULL),
                             g_bytes_get_size (signed_text), 0640, error)
         && file_write_durably (path, text, size, 0640, error);
}

gboolean
record_file_write (const char *path, const char *text, const SigningKey *key, GError **error)
{
  g_autoptr (GBytes) signed_text = signature_sign (key, text, strlen (text), error);

  return signed_text && write_both (path, signed_text, text, strlen (text), error);
}

gboolean
record_file_install (const char *path, GBytes *signed_text, const PublicKey *key, GError **error)
{
  gsize signed_size, size;
  const char *data = g_bytes_get_data (signed_text, &signed_size);
  g_autofree char *text = signature_verify (key, data, signed_size, &size, error);

  return text && write_both (path, signed_text, text, size, error);
}

char *
record_file_read (const char *path, const PublicKey *key, gsize *size, GError **error)
{
  g_autofree char *signed_path = g_strconcat (path, ".sig", NULL);
  gsize signed_size, text_size;
  g_autofree char *signed_text = file_read (signed_path, RECORD_SIZE_MAX, &signed_size, error);

  if (!signed_text)
    return NULL;
  char *text = signature_verify (key, signed_text, signed_size, &text_size, error);
  if (!text)
    g_prefix_error (error, "%s: ", signed_path);
  else if (size)
    *size = text_size;
  return text;
}

gboolean
record_file_is_consistent (const char *path, const PublicKey *key, GError **error)
{
  gsize size, plain_size;
  g_autofree char *text = record_file_read (path, key, &size, error);

  if (!text)
    return FALSE;
  g_autofree char *plain = file_read (path, RECORD_SIZE_MAX, &plain_size, error);
  if (!plain)
    {
      g_prefix_error (error, "`gild verify --repair` writes it anew: ");
      return FALSE;
    }
  if (size != plain_size || memcmp (text, plain, size) != 0)
    return fail (
        error,
        "%s: it differs from the text that was signed, in %s.sig; `gild verify --repair` writes it anew",
        path, path);
  return TRUE;
}

gboolean
record_file_mend (const char *path, const PublicKey *key, GError **error)
{
  gsize size;
  g_autofree char *text = NULL;

  if (record_file_is_consistent (path, key, NULL))
    return TRUE;
  text = record_file_read (path, key, &size, error);
  return text && file_write_durably (path, text, size, 0640, error);
}
