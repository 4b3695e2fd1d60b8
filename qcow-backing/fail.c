// SPDX-License-Identifier: GPL-2.0-or-later
// Setting an error and returning FALSE in one statement.

#include "fail.h"

#include <errno.h>

gboolean
fail (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *sentence = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, sentence);
  return FALSE;
}

gboolean
fail_code (GError **error, GIOErrorEnum code, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *sentence = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, G_IO_ERROR, (gint)code, sentence);
  return FALSE;
}

gboolean
fail_errno (GError **error, const char *format, ...)
{
  int saved = errno;
  va_list args;
  va_start (args, format);
  g_autofree char *sentence = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (saved), "%s: %s", sentence,
               g_strerror (saved));
  return FALSE;
}
