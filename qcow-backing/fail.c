// SPDX-License-Identifier: GPL-2.0-or-later
// Setting an error and returning FALSE in one statement.

#include "fail.h"

#include <errno.h>

#include "printable.h"

static void set_error (GError **error, GQuark domain, int code, const char *format, va_list args)
    G_GNUC_PRINTF (4, 0);

static void
set_error (GError **error, GQuark domain, int code, const char *format, va_list args)
{
  g_autofree char *text = g_strdup_vprintf (format, args);
  g_autofree char *sentence = printable_line (text);

  g_set_error_literal (error, domain, code, sentence);
}

gboolean
fail (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, format, args);
  va_end (args);
  return FALSE;
}

gboolean
fail_code (GError **error, GIOErrorEnum code, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  set_error (error, G_IO_ERROR, (int)code, format, args);
  va_end (args);
  return FALSE;
}

gboolean
fail_as (GError **error, GQuark domain, int code, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  set_error (error, domain, code, format, args);
  va_end (args);
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
  return fail_code (error, g_io_error_from_errno (saved), "%s: %s", sentence, g_strerror (saved));
}
