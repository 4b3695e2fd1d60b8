// SPDX-License-Identifier: GPL-2.0-or-later
// Where a night's page goes: STATE/nightly/DATE.txt, and the command that the configuration names.

#include "nightly-output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bounded-child.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-read.h"
#include "qcow-backing/file-write.h"

#define NIGHTS_MAX           60
#define FILE_MAX             (1 << 20) // of one night's; a longer one begins anew
#define SUFFIX               ".txt"
#define SEND_TIMEOUT_SECONDS 60

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)b, *(const char *const *)a);
}

/* Of the pages in DIRECTORY leave the NIGHTS_MAX that are newest by name.  */
static void
remove_old (const char *directory)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)))
    if (g_str_has_suffix (name, SUFFIX))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  for (guint i = NIGHTS_MAX; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (directory, names->pdata[i], NULL);
      unlink (path);
    }
}

gboolean
nightly_output_save (const Config *config, const char *night, const char *page, GError **error)
{
  g_autofree char *directory = config_state_path (config, "nightly", NULL);
  g_autofree char *name = g_strconcat (night, SUFFIX, NULL);
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *before = file_read (path, FILE_MAX, NULL, NULL);
  g_autofree char *text = before ? g_strconcat (before, "\n", page, NULL) : g_strdup (page);

  if (!file_write_durably (path, text, strlen (text), 0640, error))
    return FALSE;
  remove_old (directory);
  return TRUE;
}

static void
replace_summary (char **words, const char *summary)
{
  for (gsize i = 0; words[i]; i++)
    {
      g_auto (GStrv) parts = g_strsplit (words[i], "%s", -1);
      g_free (words[i]);
      words[i] = g_strjoinv (summary, parts);
    }
}

gboolean
nightly_output_send (const Config *config, const char *summary, const char *page, GError **error)
{
  g_auto (GStrv) words = NULL;
  g_auto (BoundedChild) child = { 0 };

  if (!config->nightly_report)
    return TRUE;
  if (!g_shell_parse_argv (config->nightly_report, NULL, &words, error))
    return FALSE;
  replace_summary (words, summary);
  if (!bounded_child_execute (words, page, SEND_TIMEOUT_SECONDS, &child, error))
    return FALSE;
  if (child.timed_out)
    return fail (error, "the report was not sent: %s took more than %d s", words[0],
                 SEND_TIMEOUT_SECONDS);
  return child.status == 0
         || fail (error, "the report was not sent: %s ended with status %d: %s", words[0],
                  child.status, child.said);
}
