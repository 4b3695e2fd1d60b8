// SPDX-License-Identifier: GPL-2.0-or-later
// How the desktops of a host have come up, counted for each version that they booted.

#include "boot-counts.h"

#include "fail.h"
#include "file-read.h"
#include "image-name.h"
#include "json-read.h"

#define REF_SIZE_MAX  200
#define FILE_SIZE_MAX (4u << 20)

typedef struct
{
  const char *name;
  gsize offset;
} Member;

static const Member MEMBERS[] = {
  { "started", offsetof (BootCounts, started) }, { "up", offsetof (BootCounts, up) },
  { "late", offsetof (BootCounts, late) },       { "gone", offsetof (BootCounts, gone) },
  { "resets", offsetof (BootCounts, resets) },   { "crashes", offsetof (BootCounts, crashes) },
};

BootCounts *
boot_counts_new (const char *ref)
{
  BootCounts *counts = g_new0 (BootCounts, 1);

  counts->ref = g_strdup (ref);
  return counts;
}

void
boot_counts_free (BootCounts *counts)
{
  g_free (counts->ref);
  g_free (counts);
}

GPtrArray *
boot_counts_list_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)boot_counts_free);
}

GPtrArray *
boot_counts_list_copy (const GPtrArray *list)
{
  GPtrArray *copied = boot_counts_list_new ();

  for (guint i = 0; i < list->len; i++)
    {
      const BootCounts *counts = list->pdata[i];
      BootCounts *copy = boot_counts_new (counts->ref);
      boot_counts_add (copy, counts);
      g_ptr_array_add (copied, copy);
    }
  return copied;
}

BootCounts *
boot_counts_find (const GPtrArray *list, const char *ref)
{
  for (guint i = 0; i < list->len; i++)
    if (g_str_equal (((const BootCounts *)list->pdata[i])->ref, ref))
      return list->pdata[i];
  return NULL;
}

void
boot_counts_add (BootCounts *sum, const BootCounts *more)
{
  for (gsize i = 0; i < G_N_ELEMENTS (MEMBERS); i++)
    {
      guint *value = (guint *)((char *)sum + MEMBERS[i].offset);
      guint add = *(const guint *)((const char *)more + MEMBERS[i].offset);
      *value = MIN (*value + add, BOOT_COUNTS_HIGHEST);
    }
}

JsonArray *
boot_counts_to_json (const GPtrArray *list)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < list->len; i++)
    {
      const BootCounts *counts = list->pdata[i];
      JsonObject *object = json_object_new ();
      json_object_set_string_member (object, "ref", counts->ref);
      for (gsize j = 0; j < G_N_ELEMENTS (MEMBERS); j++)
        json_object_set_int_member (object, MEMBERS[j].name,
                                    *(const guint *)((const char *)counts + MEMBERS[j].offset));
      json_array_add_object_element (array, object);
    }
  return array;
}

static BootCounts *
read_counts (JsonObject *object, GError **error)
{
  const char *ref = json_read_string (object, "ref", REF_SIZE_MAX, error);
  g_autofree char *image = NULL;
  BootCounts counts = { 0 };
  guint version;

  if (!ref || !image_ref_parse (ref, &image, &version, error))
    return NULL;
  if (version == 0)
    {
      fail (error, "\"ref\" is '%s', and must name a version", ref);
      return NULL;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (MEMBERS); i++)
    {
      guint64 value;
      if (!json_read_uint (object, MEMBERS[i].name, 0, BOOT_COUNTS_HIGHEST, &value, error))
        return NULL;
      *(guint *)((char *)&counts + MEMBERS[i].offset) = (guint)value;
    }
  BootCounts *read = boot_counts_new (ref);
  boot_counts_add (read, &counts);
  return read;
}

GPtrArray *
boot_counts_from_json (JsonArray *array, GError **error)
{
  g_autoptr (GPtrArray) list = boot_counts_list_new ();

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      BootCounts *counts =
          JSON_NODE_HOLDS_OBJECT (node) ? read_counts (json_node_get_object (node), error) : NULL;
      if (!counts)
        {
          if (!JSON_NODE_HOLDS_OBJECT (node))
            fail (error, "counts of boots have something else than objects");
          return NULL;
        }
      g_ptr_array_add (list, counts);
    }
  return g_steal_pointer (&list);
}

GPtrArray *
boot_counts_load (const Config *config)
{
  g_autofree char *path = config_state_path (config, "images", "boots.json", NULL);
  gsize size;
  g_autofree char *text = file_read (path, FILE_SIZE_MAX, &size, NULL);
  g_autoptr (JsonNode) root = text ? json_read_object (text, size, BOOT_COUNTS_FORMAT, NULL) : NULL;
  JsonArray *array =
      root ? json_read_array (json_node_get_object (root), "versions", BOOT_COUNTS_MAX, NULL)
           : NULL;
  GPtrArray *list = array ? boot_counts_from_json (array, NULL) : NULL;

  return list ? list : boot_counts_list_new ();
}
