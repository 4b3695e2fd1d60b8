// SPDX-License-Identifier: GPL-2.0-or-later
// gild diff: how two versions differ.

#include "gild.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attach-mount.h"
#include "diff-files.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/image-diff.h"
#include "qcow-backing/image-name.h"
#include "qcow-backing/size.h"

typedef struct
{
  char *image;
  guint version; // 0: production's
} Ref;

static void
ref_clear (Ref *ref)
{
  g_free (ref->image);
}
/* What is asked for.  */
typedef struct
{
  const Verb *verb;
  Ref from, to;
  gboolean files;
  int partition;
} Diff;

static void
diff_clear (Diff *diff)
{
  ref_clear (&diff->from);
  ref_clear (&diff->to);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Diff, diff_clear)

/* Read TEXT, which may be a number alone, of a version of FIRST's image.  */
static gboolean
read_second (const char *text, const Ref *first, Ref *second, GError **error)
{
  if (!g_ascii_isdigit (*text) || strchr (text, '/'))
    return image_ref_parse (text, &second->image, &second->version, error);
  second->image = g_strdup (first->image);
  return version_parse (text, &second->version, error);
}

static ImageVersion *
load (const ImageLibrary *library, Ref *ref, GError **error)
{
  if (ref->version == 0
      && !image_library_resolve (library, ref->image, CHANNEL_DEFAULT, &ref->version, error))
    return NULL;
  return image_library_load (library, ref->image, ref->version, error);
}

static void
print_text (const ImageDiff *diff)
{
  g_autofree char *changed = size_format (diff->changed_bytes);
  g_autofree char *zeroed = size_format (diff->zeroed_bytes);
  g_autofree char *fetch = size_format (diff->new_bytes + diff->index_bytes);

  printf ("%s of the disk differ, %s of that are zero now\n", changed, zeroed);
  printf ("%s to fetch: %" G_GUINT64_FORMAT " chunks, and %" G_GUINT64_FORMAT " of the index\n",
          fetch, diff->new_chunks, diff->index_chunks);
  if (diff->absent_chunks > 0)
    printf ("%" G_GUINT64_FORMAT " of those chunks are not on this host and not in that size\n",
            diff->absent_chunks);
}

static JsonObject *
describe (const Diff *diff, const ImageDiff *measured)
{
  JsonObject *object = json_object_new ();
  g_autofree char *from = g_strdup_printf ("%s@%u", diff->from.image, diff->from.version);
  g_autofree char *to = g_strdup_printf ("%s@%u", diff->to.image, diff->to.version);
  const struct
  {
    const char *name;
    guint64 value;
  } NUMBERS[] = {
    { "changed", measured->changed_bytes },       { "zeroed", measured->zeroed_bytes },
    { "new_chunks", measured->new_chunks },       { "new_size", measured->new_bytes },
    { "index_chunks", measured->index_chunks },   { "index_size", measured->index_bytes },
    { "absent_chunks", measured->absent_chunks },
  };

  json_object_set_string_member (object, "from", from);
  json_object_set_string_member (object, "to", to);
  for (gsize i = 0; i < G_N_ELEMENTS (NUMBERS); i++)
    json_object_set_int_member (object, NUMBERS[i].name, (gint64)NUMBERS[i].value);
  return object;
}

static gboolean
find_files (const Diff *diff, const ImageVersion *old, const ImageVersion *new, TreeDiff **files,
            GError **error)
{
  const DiffSide from = { diff->from.image, diff->from.version, old->index };
  const DiffSide to = { diff->to.image, diff->to.version, new->index };

  *files =
      diff->files ? diff_files_find (diff->verb->config, &from, &to, diff->partition, error) : NULL;
  return *files || !diff->files;
}

/* For --files this process stays root, who alone may mount.  */
static ImageLibrary *
open_library (const Diff *diff, GError **error)
{
  if (!diff->files)
    return verb_open_library (diff->verb, error);
  if (geteuid () == 0)
    return image_library_open (diff->verb->config, error);
  fail (error, "only root can mount the versions, as --files has to: run it with sudo");
  return NULL;
}

static gboolean
compare (Diff *diff, GError **error)
{
  g_autoptr (ImageLibrary) library = open_library (diff, error);
  g_autoptr (ImageVersion) old = library ? load (library, &diff->from, error) : NULL;
  g_autoptr (ImageVersion) new = old ? load (library, &diff->to, error) : NULL;
  g_autoptr (TreeDiff) files = NULL;
  ImageDiff measured;

  if (!new || !find_files (diff, old, new, &files, error))
    return FALSE;
  image_diff_measure (image_library_store (library), old, new, &measured);
  g_autoptr (JsonObject) object = describe (diff, &measured);
  if (files)
    diff_files_add_members (object, files);
  if (diff->verb->json)
    json_print_object (object);
  else if (files)
    diff_files_print (files);
  else
    print_text (&measured);
  return TRUE;
}

static gboolean
read_arguments (Diff *diff, GError **error)
{
  if (diff->partition != ATTACH_ONLY_PARTITION && !diff->files)
    return fail (error, "--partition says where files are: give it with --files");
  return attach_check_partition (diff->partition, error)
         && image_ref_parse (diff->verb->argv[0], &diff->from.image, &diff->from.version, error)
         && read_second (diff->verb->argv[1], &diff->from, &diff->to, error);
}

ExitStatus
verb_diff (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (Diff) diff = { .verb = &verb, .partition = ATTACH_ONLY_PARTITION };
  const GOptionEntry options[] = {
    { "files", 0, 0, G_OPTION_ARG_NONE, &diff.files, "Say which files differ", NULL },
    { "partition", 0, 0, G_OPTION_ARG_INT, &diff.partition,
      "With --files: which partition of the disk; 0: all of it", "N" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, options, "IMAGE[@VERSION] IMAGE[@VERSION]|VERSION",
          "Say how much of the disk differs between two versions, and what a host that has the first\n"
          "fetches for the second; or, with --files, which files differ.  IMAGE alone is its production\n"
          "version.",
          2, 2, &status))
    return status;
  if (!read_arguments (&diff, &error))
    return verb_usage (&verb, error);
  if (!compare (&diff, &error))
    return verb_fail (&verb, error);
  return EXIT_DONE;
}
