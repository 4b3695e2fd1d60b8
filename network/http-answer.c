// SPDX-License-Identifier: GPL-2.0-or-later
// Answers over HTTP: an object as JSON, or an error's sentence.

#include "http-answer.h"

#include <stdarg.h>
#include <string.h>

#include "qcow-backing/json-read.h"

struct MHD_Response *
http_json_response (JsonObject *body)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, body);
  char *text = json_write (node);
  struct MHD_Response *response =
      MHD_create_response_from_buffer_with_free_callback (strlen (text), text, g_free);
  MHD_add_response_header (response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
  return response;
}

JsonObject *
http_error_body (const char *sentence)
{
  g_autofree char *valid = g_utf8_make_valid (sentence, -1);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "error", valid);
  return object;
}

/* Queue STATUS and RESPONSE, which this takes over.  */
static enum MHD_Result
queue (struct MHD_Connection *connection, guint status, struct MHD_Response *response)
{
  enum MHD_Result result = MHD_queue_response (connection, status, response);

  MHD_destroy_response (response);
  return result;
}

enum MHD_Result
http_answer (struct MHD_Connection *connection, guint status, JsonObject *body)
{
  return queue (connection, status, http_json_response (body));
}

enum MHD_Result
http_answer_error (struct MHD_Connection *connection, guint status, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *sentence = g_strdup_vprintf (format, args);
  va_end (args);

  return http_answer (connection, status, http_error_body (sentence));
}

enum MHD_Result
http_answer_response (struct MHD_Connection *connection, struct MHD_Response *response,
                      const char *type)
{
  MHD_add_response_header (response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  return queue (connection, MHD_HTTP_OK, response);
}

guint
http_status_of (const GError *error)
{
  static const struct
  {
    GIOErrorEnum code;
    guint status;
  } STATUSES[] = {
    { G_IO_ERROR_INVALID_ARGUMENT, MHD_HTTP_BAD_REQUEST },
    { G_IO_ERROR_PERMISSION_DENIED, MHD_HTTP_FORBIDDEN },
    { G_IO_ERROR_NOT_FOUND, MHD_HTTP_NOT_FOUND },
    { G_IO_ERROR_EXISTS, MHD_HTTP_CONFLICT },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (STATUSES); i++)
    if (g_error_matches (error, G_IO_ERROR, (int)STATUSES[i].code))
      return STATUSES[i].status;
  return MHD_HTTP_INTERNAL_SERVER_ERROR;
}
