// SPDX-License-Identifier: GPL-2.0-or-later
// Finding templates by name.

#include "template.h"

#include <stdio.h>
#include <string.h>

#include "domain-xml.h"
#include "qcow-backing/fail.h"

#define SUFFIX ".xml"

const char *const TEMPLATE_DIRECTORIES[] = { SYSCONFDIR "/gild/templates", TEMPLATES_DIR, NULL };

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *)a, *(const char *const *)b);
}

/* The names of the templates in DIRECTORIES, for people.  */
static char *
list_names (const char *const *directories)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; directories[i]; i++)
    {
      g_autoptr (GDir) directory = g_dir_open (directories[i], 0, NULL);
      const char *file;
      while (directory && (file = g_dir_read_name (directory)))
        {
          g_autofree char *name =
              g_strndup (file, strlen (file) - MIN (strlen (file), strlen (SUFFIX)));
          if (g_str_has_suffix (file, SUFFIX)
              && !g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
            g_ptr_array_add (names, g_steal_pointer (&name));
        }
    }
  if (names->len == 0)
    return g_strdup ("none");
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return g_strjoinv (", ", (char **)names->pdata);
}

/* Read PATH, unless it is larger than any domain's XML.  */
static char *
read_template (const char *path, gsize *size, GError **error)
{
  g_autofree char *text = g_malloc (DOMAIN_XML_SIZE_MAX + 1);
  FILE *file = fopen (path, "re");
  gboolean is_read;

  if (file)
    *size = fread (text, 1, DOMAIN_XML_SIZE_MAX + 1, file);
  is_read = file && !ferror (file);
  if (!is_read)
    fail_errno (error, "cannot read the template %s", path);
  else if (*size > DOMAIN_XML_SIZE_MAX)
    is_read =
        fail (error, "the template %s is larger than %u MiB", path, DOMAIN_XML_SIZE_MAX >> 20);
  if (file)
    fclose (file);
  return is_read ? g_realloc (g_steal_pointer (&text), *size + 1) : NULL;
}

char *
template_load (const char *template, const char *const *directories, gsize *size, GError **error)
{
  if (strchr (template, '/') || g_str_has_suffix (template, SUFFIX))
    return read_template (template, size, error);

  g_autofree char *file = g_strconcat (template, SUFFIX, NULL);
  for (gsize i = 0; directories[i]; i++)
    {
      g_autofree char *path = g_build_filename (directories[i], file, NULL);
      if (g_file_test (path, G_FILE_TEST_EXISTS))
        return read_template (path, size, error);
    }
  g_autofree char *names = list_names (directories);
  fail (
      error,
      "there is no template '%.100s': there are %s, and the path of a file serves as well (./%.100s.xml)",
      template, names, template);
  return NULL;
}
