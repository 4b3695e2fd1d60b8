// SPDX-License-Identifier: GPL-2.0-or-later
// Reading JSON that somebody else wrote: every member has the type and range it must have, or an
// error says which has not.
#pragma once

#include <json-glib/json-glib.h>

/* The object in TEXT, whose "format" must be FORMAT (not looked at where that is NULL).  Refuses
   what json_check_object does, with a nesting of 16.  */
JsonNode *json_read_object (const char *text, gsize size, const char *format, GError **error);

/* Required members of OBJECT.  Strings are owned by OBJECT and at most MAX bytes.  */
const char *json_read_string (JsonObject *object, const char *member, gsize max, GError **error);
gboolean json_read_uint (JsonObject *object, const char *member, guint64 min, guint64 max,
                         guint64 *value, GError **error);
gboolean json_read_boolean (JsonObject *object, const char *member, gboolean *value,
                            GError **error);
JsonObject *json_read_member (JsonObject *object, const char *member, GError **error);
JsonArray *json_read_array (JsonObject *object, const char *member, guint max, GError **error);

/* NODE as indented text, ending in a newline.  */
char *json_write (JsonNode *node);
