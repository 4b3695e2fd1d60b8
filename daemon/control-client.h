// SPDX-License-Identifier: GPL-2.0-or-later
// The client's side of gildd's control socket: one request, one answer, HTTP/1.1 and JSON.
//
// The hook uses it, so it depends on nothing but GLib and json-glib.
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef enum
{
  CONTROL_ERROR_UNREACHABLE, // nobody answers at the socket
  CONTROL_ERROR_REFUSED,     // gildd said no; the message is its sentence
  CONTROL_ERROR_PROTOCOL,    // what answered is not gildd
} ControlError;
#define CONTROL_ERROR (control_error_quark ())
GQuark control_error_quark (void);

/* Send METHOD PATH with BODY (a JSON object, or NULL) to SOCKET_PATH, and wait up to
   TIMEOUT_SECONDS for the answer, which is at most 16 MiB.  Returns the answer's JSON object. Fails
   with CONTROL_ERROR.  */
JsonNode *control_call (const char *socket_path, const char *method, const char *path,
                        JsonNode *body, guint timeout_seconds, GError **error);
