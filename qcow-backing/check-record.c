// SPDX-License-Identifier: GPL-2.0-or-later
// The check record: whether one version of an image came up in a VM when it was tried.

#include "check-record.h"

#include <string.h>

#include "fail.h"
#include "image-name.h"
#include "json-read.h"

#define FORMAT        "gild-check-1"
#define UP            "up"
#define NOT_UP        "not-up"
#define DATE_SIZE_MAX 40
#define FILE_SIZE_MAX 64
#define SECONDS_MAX   1e9

void
check_record_free (CheckRecord *record)
{
  if (!record)
    return;
  g_free (record->image);
  g_free (record->reason);
  g_free (record->checked);
  g_free (record->console);
  g_free (record->screenshot);
  g_free (record);
}

static void
set_string (JsonObject *object, const char *member, const char *text)
{
  if (text)
    json_object_set_string_member (object, member, text);
  else
    json_object_set_null_member (object, member);
}

char *
check_record_to_json (const CheckRecord *record)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_node_take_object (root, object);
  json_object_set_string_member (object, "format", FORMAT);
  json_object_set_string_member (object, "image", record->image);
  json_object_set_int_member (object, "version", record->version);
  json_object_set_string_member (object, "result", record->is_up ? UP : NOT_UP);
  json_object_set_string_member (object, "reason", record->reason);
  json_object_set_double_member (object, "seconds", record->seconds);
  json_object_set_string_member (object, "checked", record->checked);
  set_string (object, "console", record->console);
  set_string (object, "screenshot", record->screenshot);
  return json_write (root);
}

/* Text that can be shown on a terminal.  */
static gboolean
read_text (JsonObject *object, const char *member, gsize max, char **text, GError **error)
{
  const char *read = json_read_string (object, member, max, error);

  for (const char *at = read; at && *at; at++)
    if (g_ascii_iscntrl (*at))
      return fail (error, "\"%s\" has control characters", member);
  *text = g_strdup (read);
  return read != NULL;
}

/* The name of a file beside the record, or null.  */
static gboolean
read_file (JsonObject *object, const char *member, char **name, GError **error)
{
  JsonNode *node = json_object_get_member (object, member);

  if (!node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  return read_text (object, member, FILE_SIZE_MAX, name, error)
         && ((**name && **name != '.' && !strchr (*name, '/'))
             || fail (error, "\"%s\" is not the name of a file", member));
}

static gboolean
read_result (CheckRecord *record, JsonObject *object, GError **error)
{
  const char *result = json_read_string (object, "result", 10, error);

  if (!result)
    return FALSE;
  record->is_up = g_str_equal (result, UP);
  return record->is_up || g_str_equal (result, NOT_UP)
         || fail (error, "\"result\" is neither \"" UP "\" nor \"" NOT_UP "\"");
}

static gboolean
read_seconds (CheckRecord *record, JsonObject *object, GError **error)
{
  JsonNode *node = json_object_get_member (object, "seconds");
  GType type = node ? json_node_get_value_type (node) : G_TYPE_INVALID;

  if (type == G_TYPE_DOUBLE || type == G_TYPE_INT64)
    record->seconds = json_node_get_double (node);
  return ((type == G_TYPE_DOUBLE || type == G_TYPE_INT64) && record->seconds >= 0
          && record->seconds <= SECONDS_MAX)
         || fail (error, "\"seconds\" is not a time");
}

CheckRecord *
check_record_from_json (const char *text, gsize size, GError **error)
{
  g_autoptr (CheckRecord) record = g_new0 (CheckRecord, 1);
  g_autoptr (JsonNode) root = json_read_object (text, size, FORMAT, error);
  JsonObject *object = root ? json_node_get_object (root) : NULL;
  guint64 version;

  if (!object || !read_text (object, "image", 200, &record->image, error)
      || !image_name_check (record->image, error)
      || !json_read_uint (object, "version", 1, VERSION_MAX, &version, error)
      || !read_result (record, object, error) || !read_seconds (record, object, error)
      || !read_text (object, "reason", CHECK_RECORD_REASON_MAX, &record->reason, error)
      || !read_text (object, "checked", DATE_SIZE_MAX, &record->checked, error)
      || !read_file (object, "console", &record->console, error)
      || !read_file (object, "screenshot", &record->screenshot, error))
    return NULL;
  record->version = (guint)version;
  return g_steal_pointer (&record);
}
