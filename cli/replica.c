// SPDX-License-Identifier: GPL-2.0-or-later
// gild replica: have this host keep whole images, so that the others can go on without the first.

#include "gild.h"

#include <stdio.h>

#include "qcow-backing/fail.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/site.h"

static gboolean
has (const GPtrArray *images, const char *image, guint *i)
{
  return g_ptr_array_find_with_equal_func ((GPtrArray *)images, image, g_str_equal, i);
}

/* Of what ORIGIN keeps and the verb's arguments: what is to be kept.  */
static GPtrArray *
choose (const Origin *origin, const Verb *verb, gboolean is_removal, GError **error)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func (g_free);
  const GPtrArray *before = origin_replicas (origin);
  guint at;

  for (guint i = 0; i < before->len; i++)
    g_ptr_array_add (images, g_strdup (before->pdata[i]));
  for (int i = 0; i < verb->argc; i++)
    {
      gboolean is_there = has (images, verb->argv[i], &at);
      if (is_removal && !is_there)
        {
          fail (error, "this host is no replica of %s: `gild replica` lists what it is",
                verb->argv[i]);
          return NULL;
        }
      if (is_removal)
        g_ptr_array_remove_index (images, at);
      else if (!is_there)
        g_ptr_array_add (images, g_strdup (verb->argv[i]));
    }
  return g_steal_pointer (&images);
}

static void
print (const Verb *verb, const GPtrArray *images)
{
  g_autoptr (JsonObject) object = json_object_new ();
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < images->len; i++)
    if (verb->json)
      json_array_add_string_element (array, images->pdata[i]);
    else
      printf ("%s\n", (char *)images->pdata[i]);
  json_object_set_array_member (object, "images", array);
  if (verb->json)
    json_print_object (object);
}

static gboolean
set (const Verb *verb, gboolean is_removal, GError **error)
{
  g_autoptr (Site) site = site_load (verb->config, error);
  g_autoptr (Origin) origin = site ? origin_load (verb->config, error) : NULL;
  g_autoptr (GPtrArray) images = origin ? choose (origin, verb, is_removal, error) : NULL;

  if (!images || (verb->argc > 0 && !origin_set_replicas (verb->config, images, error)))
    return FALSE;
  print (verb, images);
  return TRUE;
}

ExitStatus
verb_replica (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  gboolean is_removal = FALSE;
  const GOptionEntry options[] = {
    { "remove", 0, 0, G_OPTION_ARG_NONE, &is_removal, "No longer keep IMAGE for others", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "[IMAGE...]",
          "Have this host keep each IMAGE whole, with all its versions, and give it to the other hosts as its\n"
          "publisher does: they go on when the publisher is gone. Lists the images that it keeps so.",
          0, REPLICA_IMAGES_MAX, &status))
    return status;
  for (int i = 0; i < verb.argc; i++)
    if (!image_name_check (verb.argv[i], &error))
      return verb_usage (&verb, error);
  if (is_removal && verb.argc == 0)
    {
      fail (&error, "--remove takes the images that are no longer to be kept");
      return verb_usage (&verb, error);
    }
  return set (&verb, is_removal, &error) ? EXIT_DONE : verb_fail (&verb, error);
}
