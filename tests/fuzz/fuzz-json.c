// SPDX-License-Identifier: GPL-2.0-or-later
// JSON from anywhere: never deep, and members have the type and range that was asked for.
#include "fuzz.h"

#include <string.h>

#include "qcow-backing/json-read.h"

#define NESTING_MAX 16

static void check_node (JsonNode *node, guint depth);

static void
check_object (JsonObject *object, guint depth)
{
  g_autoptr (GList) members = json_object_get_members (object);

  for (GList *at = members; at; at = at->next)
    {
      g_autoptr (GError) error = NULL;
      guint64 number;
      const char *text = json_read_string (object, at->data, 10, &error);
      fuzz_check_result (text, error);
      g_assert_true (!text || (strlen (text) <= 10 && g_utf8_validate (text, -1, NULL)));
      g_clear_error (&error);
      gboolean is_number = json_read_uint (object, at->data, 3, 100, &number, &error);
      fuzz_check_result (is_number ? object : NULL, error);
      g_assert_true (!is_number || (number >= 3 && number <= 100));
      g_clear_error (&error);
      JsonArray *array = json_read_array (object, at->data, 3, &error);
      fuzz_check_result (array, error);
      g_assert_true (!array || json_array_get_length (array) <= 3);
      g_clear_error (&error);
      JsonObject *member = json_read_member (object, at->data, &error);
      fuzz_check_result (member, error);
      check_node (json_object_get_member (object, at->data), depth + 1);
    }
}

static void
check_node (JsonNode *node, guint depth)
{
  g_assert_cmpuint (depth, <=, NESTING_MAX + 1); // a value within the deepest
  if (JSON_NODE_HOLDS_OBJECT (node))
    check_object (json_node_get_object (node), depth);
  else if (JSON_NODE_HOLDS_ARRAY (node))
    for (guint i = 0; i < json_array_get_length (json_node_get_array (node)); i++)
      check_node (json_array_get_element (json_node_get_array (node), i), depth + 1);
}

gboolean
fuzz_input (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_read_object ((const char *)data, size, NULL, &error);

  if (!fuzz_check_result (node, error))
    return FALSE;
  check_node (node, 1);
  return TRUE;
}
