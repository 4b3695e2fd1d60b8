// SPDX-License-Identifier: GPL-2.0-or-later
// gild diff: how two versions differ.

#include "gild.h"

#include <stdio.h>
#include <string.h>

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
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Ref, ref_clear)

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

static void
print_json (const Ref *from, const Ref *to, const ImageDiff *diff)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autofree char *from_text = g_strdup_printf ("%s@%u", from->image, from->version);
  g_autofree char *to_text = g_strdup_printf ("%s@%u", to->image, to->version);
  const struct
  {
    const char *name;
    guint64 value;
  } NUMBERS[] = {
    { "changed", diff->changed_bytes },       { "zeroed", diff->zeroed_bytes },
    { "new_chunks", diff->new_chunks },       { "new_size", diff->new_bytes },
    { "index_chunks", diff->index_chunks },   { "index_size", diff->index_bytes },
    { "absent_chunks", diff->absent_chunks },
  };

  json_object_set_string_member (object, "from", from_text);
  json_object_set_string_member (object, "to", to_text);
  for (gsize i = 0; i < G_N_ELEMENTS (NUMBERS); i++)
    json_object_set_int_member (object, NUMBERS[i].name, (gint64)NUMBERS[i].value);
  json_print_object (object);
}

static gboolean
compare (const Verb *verb, Ref *from, Ref *to, GError **error)
{
  g_autoptr (ImageLibrary) library = verb_open_library (verb, error);
  g_autoptr (ImageVersion) old = library ? load (library, from, error) : NULL;
  g_autoptr (ImageVersion) new = old ? load (library, to, error) : NULL;
  ImageDiff diff;

  if (!new)
    return FALSE;
  image_diff_measure (image_library_store (library), old, new, &diff);
  if (verb->json)
    print_json (from, to, &diff);
  else
    print_text (&diff);
  return TRUE;
}

ExitStatus
verb_diff (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (Ref) from = { 0 };
  g_auto (Ref) to = { 0 };
  g_autoptr (GError) error = NULL;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, NULL, "IMAGE[@VERSION] IMAGE[@VERSION]|VERSION",
          "Say how much of the disk differs between two versions, and what a host that has the first\n"
          "fetches for the second.  IMAGE alone is its production version.",
          2, 2, &status))
    return status;
  if (!image_ref_parse (verb.argv[0], &from.image, &from.version, &error)
      || !read_second (verb.argv[1], &from, &to, &error))
    return verb_usage (&verb, error);
  if (!compare (&verb, &from, &to, &error))
    return verb_fail (&verb, error);
  return EXIT_DONE;
}
