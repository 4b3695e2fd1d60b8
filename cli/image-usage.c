// SPDX-License-Identifier: GPL-2.0-or-later
// gild images --du: what versions cost the store.

#include "image-usage.h"

#include "qcow-backing/disk-usage.h"
#include "qcow-backing/size.h"

static void
add_to_table (Table *table, const DiskUsage *usage)
{
  g_autofree char *name = usage->version ? g_strdup_printf ("%s@%u", usage->image, usage->version)
                                         : g_strdup (usage->image);
  g_autofree char *size = size_format (usage->alone_bytes);

  table_add (table, name, size, NULL);
}

static void
add_to_array (JsonArray *array, const DiskUsage *usage)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "image", usage->image);
  if (usage->version)
    json_object_set_int_member (object, "version", usage->version);
  else
    json_object_set_null_member (object, "version");
  json_object_set_int_member (object, "alone", (gint64)usage->alone_bytes);
  json_array_add_object_element (array, object);
}

gboolean
image_usage_print (const Verb *verb, const char *image, GError **error)
{
  g_autoptr (ImageLibrary) library = verb_open_library (verb, error);
  g_autoptr (GPtrArray) usages = library ? disk_usage_measure (library, error) : NULL;
  g_autoptr (Table) table = table_new ("IMAGE", "ALONE", NULL);
  g_autoptr (JsonObject) object = json_object_new ();
  JsonArray *array = json_array_new ();
  gboolean found = image == NULL;

  json_object_set_array_member (object, "usage", array);
  for (guint i = 0; usages && i < usages->len; i++)
    {
      const DiskUsage *usage = usages->pdata[i];
      if (image && !g_str_equal (usage->image, image))
        continue;
      found = TRUE;
      add_to_table (table, usage);
      add_to_array (array, usage);
    }
  if (!usages || (!found && !image_library_fail_missing (image, 0, error)))
    return FALSE;
  if (verb->json)
    json_print_object (object);
  else
    table_print (table);
  return TRUE;
}
