// SPDX-License-Identifier: GPL-2.0-or-later
// Answers over HTTP: an object as JSON, or an error's sentence.
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <microhttpd.h>

/* BODY, which this takes over, as a response in JSON.  */
struct MHD_Response *http_json_response (JsonObject *body);

/* { "error": SENTENCE }, in valid UTF-8.  */
JsonObject *http_error_body (const char *sentence);

/* Queue STATUS and BODY, which this takes over, as the answer on CONNECTION.  */
enum MHD_Result http_answer (struct MHD_Connection *connection, guint status, JsonObject *body);

/* Queue STATUS and {"error": sentence}.  */
enum MHD_Result http_answer_error (struct MHD_Connection *connection, guint status,
                                   const char *format, ...) G_GNUC_PRINTF (3, 4);

/* Queue RESPONSE, which this takes over, of content type TYPE, with status 200.  */
enum MHD_Result http_answer_response (struct MHD_Connection *connection,
                                      struct MHD_Response *response, const char *type);

/* The status for ERROR; 500 for what is no fault of the client's.  */
guint http_status_of (const GError *error);
