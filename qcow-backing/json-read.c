// SPDX-License-Identifier: GPL-2.0-or-later
// Reading JSON that somebody else wrote, and writing our own.

#include "json-read.h"

#include <string.h>

#include "fail.h"
#include "json-grammar.h"

#define NESTING_MAX 16

JsonNode *
json_read_object (const char *text, gsize size, const char *format, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) cause = NULL;

  if (!json_check_object (text, size, NESTING_MAX, error))
    return NULL;
  if (!json_parser_load_from_data (parser, text, (gssize)size, &cause))
    {
      fail (error, "%s", cause->message);
      return NULL;
    }
  JsonNode *root = json_parser_get_root (parser);
  if (format)
    {
      const char *actual = json_read_string (json_node_get_object (root), "format", 100, error);
      if (actual && !g_str_equal (actual, format))
        fail (error, "its format is \"%s\", this gild reads \"%s\"", actual, format);
      if (!actual || !g_str_equal (actual, format))
        return NULL;
    }
  return json_node_ref (root);
}

/* MEMBER of OBJECT if its value is of VALUE_TYPE, JSON_TYPE_OBJECT and JSON_TYPE_ARRAY among them.
 */
static JsonNode *
find (JsonObject *object, const char *member, GType value_type, const char *type_name,
      GError **error)
{
  JsonNode *node = json_object_get_member (object, member);

  if (node && json_node_get_value_type (node) == value_type)
    return node;
  fail (error, "\"%s\" is %s, and must be %s", member, node ? "something else" : "missing",
        type_name);
  return NULL;
}

const char *
json_read_string (JsonObject *object, const char *member, gsize max, GError **error)
{
  JsonNode *node = find (object, member, G_TYPE_STRING, "a string", error);
  const char *text = node ? json_node_get_string (node) : NULL;

  if (text && strlen (text) > max)
    {
      fail (error, "\"%s\" is longer than %" G_GSIZE_FORMAT " bytes", member, max);
      return NULL;
    }
  return text;
}

gboolean
json_read_uint (JsonObject *object, const char *member, guint64 min, guint64 max, guint64 *value,
                GError **error)
{
  JsonNode *node = find (object, member, G_TYPE_INT64, "a whole number", error);
  gint64 number = node ? json_node_get_int (node) : -1;

  if (!node)
    return FALSE;
  if (number < 0 || (guint64)number < min || (guint64)number > max)
    return fail (error,
                 "\"%s\" is %" G_GINT64_FORMAT ", and must be from %" G_GUINT64_FORMAT
                 " to %" G_GUINT64_FORMAT,
                 member, number, min, max);
  *value = (guint64)number;
  return TRUE;
}

gboolean
json_read_boolean (JsonObject *object, const char *member, gboolean *value, GError **error)
{
  JsonNode *node = find (object, member, G_TYPE_BOOLEAN, "true or false", error);

  if (node)
    *value = json_node_get_boolean (node);
  return node != NULL;
}

JsonObject *
json_read_member (JsonObject *object, const char *member, GError **error)
{
  JsonNode *node = find (object, member, JSON_TYPE_OBJECT, "an object", error);

  return node ? json_node_get_object (node) : NULL;
}

JsonArray *
json_read_array (JsonObject *object, const char *member, guint max, GError **error)
{
  JsonNode *node = find (object, member, JSON_TYPE_ARRAY, "an array", error);
  JsonArray *array = node ? json_node_get_array (node) : NULL;

  if (array && json_array_get_length (array) > max)
    {
      fail (error, "\"%s\" has more than %u entries", member, max);
      return NULL;
    }
  return array;
}

char *
json_write (JsonNode *node)
{
  g_autofree char *text = json_to_string (node, TRUE);

  return g_strconcat (text, "\n", NULL);
}
