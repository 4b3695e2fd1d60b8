// SPDX-License-Identifier: GPL-2.0-or-later
// A signed record on the disk: NAME.json.sig, which counts, and NAME.json, its text for people and
// tools.

#include "record-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"
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

/* The contents of PATH, at most MAX bytes.  */
static char *
read_bounded (const char *path, gsize max, gsize *size, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status;
  g_autofree char *text = NULL;
  gssize n;

  if (fd < 0 || fstat (fd, &status) < 0)
    {
      fail_errno (error, "%s", path);
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  if (!S_ISREG (status.st_mode) || (guint64)status.st_size > max)
    {
      fail (error, "%s: it is too large or no file", path);
      close (fd);
      return NULL;
    }
  text = g_malloc ((gsize)status.st_size + 1);
  for (*size = 0; *size < (gsize)status.st_size; *size += (gsize)n)
    if ((n = read (fd, text + *size, (gsize)status.st_size - *size)) <= 0)
      break;
  close (fd);
  if (*size != (gsize)status.st_size)
    {
      fail (error, "%s: cannot be read whole", path);
      return NULL;
    }
  text[*size] = '\0';
  return g_steal_pointer (&text);
}

char *
record_file_read (const char *path, const PublicKey *key, gsize *size, GError **error)
{
  g_autofree char *signed_path = g_strconcat (path, ".sig", NULL);
  gsize signed_size, text_size;
  g_autofree char *signed_text = read_bounded (signed_path, RECORD_SIZE_MAX, &signed_size, error);

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
  g_autofree char *plain = read_bounded (path, RECORD_SIZE_MAX, &plain_size, error);
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
