// SPDX-License-Identifier: GPL-2.0-or-later
// Setting an error and returning FALSE in one statement.
//
// A sentence is one line of printable UTF-8, whatever a file or a peer put into it: it is for a
// terminal and a log.
#pragma once

#include <gio/gio.h>

/* Set ERROR (G_IO_ERROR_FAILED) to the sentence of FORMAT; returns FALSE.  */
gboolean fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* The same with CODE of G_IO_ERROR, where a caller branches on it.  */
gboolean fail_code (GError **error, GIOErrorEnum code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* The same with ": " and what errno says behind it, and with its code.  */
gboolean fail_errno (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* The same with CODE of DOMAIN.  */
gboolean fail_as (GError **error, GQuark domain, int code, const char *format, ...)
    G_GNUC_PRINTF (4, 5);
