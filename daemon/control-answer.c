// SPDX-License-Identifier: GPL-2.0-or-later
// An answer of gildd as it comes in: HTTP/1.1, as little of it as gildd speaks.
//
// A Content-Length or the connection's end is an answer's end; nothing else that HTTP would allow
// is.

#include "control-answer.h"

#include <string.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/json-read.h"

#define HEAD_SIZE_MAX (16u << 10)
#define BODY_SIZE_MAX (16u << 20)
#define SENTENCE_MAX  2000 // bytes

/* The value of header NAME, if LINE is that header.  */
static const char *
header_value (const char *line, const char *name)
{
  gsize length = strlen (name);

  if (g_ascii_strncasecmp (line, name, length) != 0 || line[length] != ':')
    return NULL;
  return line + length + 1 + strspn (line + length + 1, " \t");
}

static gboolean
read_header (ControlAnswer *answer, const char *line, GError **error)
{
  const char *length = header_value (line, "Content-Length");
  guint64 size = 0;

  if (header_value (line, "Transfer-Encoding"))
    return fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "it uses a transfer encoding");
  if (!length)
    return TRUE;
  if (!g_ascii_string_to_unsigned (length, 10, 0, BODY_SIZE_MAX, &size, NULL))
    return fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "its Content-Length is '%.40s'",
                    length);
  if (answer->body_size >= 0 && (guint64)answer->body_size != size)
    return fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "it has two lengths");
  answer->body_size = (gssize)size;
  return TRUE;
}

static gboolean
read_status_line (ControlAnswer *answer, const char *line, GError **error)
{
  gsize start = strlen ("HTTP/1.1 ");

  if ((g_str_has_prefix (line, "HTTP/1.1 ") || g_str_has_prefix (line, "HTTP/1.0 "))
      && line[start] >= '2' && line[start] <= '5' && g_ascii_isdigit (line[start + 1])
      && g_ascii_isdigit (line[start + 2]) && strchr (" ", line[start + 3]))
    {
      answer->status = (guint)g_ascii_strtoull (line + start, NULL, 10);
      return TRUE;
    }
  return fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "it does not start as HTTP does");
}

/* Read status and headers, once all of them are there.  */
static gboolean
read_head (ControlAnswer *answer, GError **error)
{
  const char *end = g_strstr_len (answer->bytes->str, (gssize)answer->bytes->len, "\r\n\r\n");

  if (!end)
    return answer->bytes->len <= HEAD_SIZE_MAX
           || fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "its head does not end");
  g_autofree char *head = g_strndup (answer->bytes->str, (gsize)(end - answer->bytes->str));
  g_auto (GStrv) lines = g_strsplit (head, "\r\n", -1);
  if (!read_status_line (answer, lines[0] ? lines[0] : "", error))
    return FALSE;
  for (gsize i = 1; lines[i]; i++)
    if (!read_header (answer, lines[i], error))
      return FALSE;
  answer->head_size = (gsize)(end - answer->bytes->str) + strlen ("\r\n\r\n");
  return TRUE;
}

gboolean
control_answer_add (ControlAnswer *answer, const char *bytes, gsize count, gboolean *done,
                    GError **error)
{
  g_string_append_len (answer->bytes, bytes, (gssize)count);
  if (!answer->head_size && !read_head (answer, error))
    return FALSE;

  gsize body_size = answer->bytes->len - answer->head_size;
  if (!answer->head_size)
    *done = FALSE;
  else if (answer->body_size >= 0)
    *done = body_size >= (gsize)answer->body_size;
  else
    *done = count == 0;
  if (*done && answer->body_size >= 0 && body_size > (gsize)answer->body_size)
    return fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "it goes on past its end");
  if (answer->head_size && body_size > BODY_SIZE_MAX)
    return fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "it is larger than %u MiB",
                    BODY_SIZE_MAX >> 20);
  if (!*done && count == 0)
    return fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "it ends too early");
  return TRUE;
}

static gboolean
fail_refused (GError **error, guint status, JsonObject *body)
{
  const char *sentence = json_read_string (body, "error", BODY_SIZE_MAX, NULL);

  if (!sentence || !sentence[0])
    return fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "it says %u and no reason",
                    status);
  return fail_as (error, CONTROL_ERROR, CONTROL_ERROR_REFUSED, "%.*s", SENTENCE_MAX, sentence);
}

JsonNode *
control_answer_read (const ControlAnswer *answer, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (JsonNode) node = json_read_object (
      answer->bytes->str + answer->head_size, answer->bytes->len - answer->head_size, NULL, &cause);

  if (!node)
    fail_as (error, CONTROL_ERROR, CONTROL_ERROR_PROTOCOL, "%s", cause->message);
  else if (answer->status > 299)
    fail_refused (error, answer->status, json_node_get_object (node));
  else
    return g_steal_pointer (&node);
  return NULL;
}
