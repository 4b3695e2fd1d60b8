// SPDX-License-Identifier: GPL-2.0-or-later
// gild verify: check every byte of every version, and mend.

#include "gild.h"

#include <stdio.h>

#include "qcow-backing/image-name.h"
#include "qcow-backing/repair.h"
#include "qcow-backing/size.h"

static void
print_json (const VerifyResult *result)
{
  g_autoptr (JsonObject) object = json_object_new ();
  JsonArray *problems = json_array_new (), *mended = json_array_new ();

  for (guint i = 0; i < result->problems->len; i++)
    json_array_add_string_element (problems, result->problems->pdata[i]);
  for (guint i = 0; i < result->bad_chunks->len; i++)
    json_array_add_string_element (problems, ((BadChunk *)result->bad_chunks->pdata[i])->problem);
  for (guint i = 0; i < result->mended->len; i++)
    json_array_add_string_element (mended, result->mended->pdata[i]);
  json_object_set_int_member (object, "versions", result->versions);
  json_object_set_int_member (object, "chunks", (gint64)result->chunks);
  json_object_set_int_member (object, "absent", (gint64)result->absent_bytes);
  json_object_set_array_member (object, "problems", problems);
  json_object_set_array_member (object, "mended", mended);
  json_print_object (object);
}

static guint
n_problems (const VerifyResult *result)
{
  return result->problems->len + result->bad_chunks->len;
}

static void
print_text (const VerifyResult *result, gboolean repair)
{
  guint n = n_problems (result);

  for (guint i = 0; i < result->mended->len; i++)
    printf ("mended: %s\n", (char *)result->mended->pdata[i]);
  for (guint i = 0; i < result->problems->len; i++)
    printf ("%s\n", (char *)result->problems->pdata[i]);
  for (guint i = 0; i < result->bad_chunks->len; i++)
    printf ("%s\n", ((BadChunk *)result->bad_chunks->pdata[i])->problem);
  if (result->absent_chunks)
    {
      g_autofree char *absent = size_format (result->absent_bytes);
      printf ("%" G_GUINT64_FORMAT
              " chunks (%s) are not on this host yet: `gild fetch` gets them\n",
              result->absent_chunks, absent);
    }
  printf ("%u versions, %" G_GUINT64_FORMAT " chunks: ", result->versions,
          result->chunks - result->absent_chunks);
  if (n == 0)
    printf ("all is whole\n");
  else
    printf ("%u %s%s\n", n, n == 1 ? "problem" : "problems",
            repair ? "" : "; `gild verify --repair` mends what can be mended");
}

static gboolean
verify (const Verb *verb, const char *image, guint version, gboolean repair, VerifyResult *result,
        GError **error)
{
  g_autoptr (ImageLibrary) library = verb_open_library (verb, error);

  if (!library)
    return FALSE;
  g_autoptr (TerminalProgress) progress = terminal_progress_new ("verify");
  return (repair ? repair_run : verify_run) (library, image, version,
                                             terminal_progress_get (progress), result, error);
}

ExitStatus
verb_verify (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (VerifyResult) result = { 0 };
  g_autofree char *image = NULL;
  gboolean repair = FALSE;
  const GOptionEntry entries[] = {
    { "repair", 0, 0, G_OPTION_ARG_NONE, &repair,
      "Mend what can be mended, and set damaged chunks aside", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GError) error = NULL;
  guint version = 0;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, entries, "[IMAGE[@VERSION]]",
          "Check all images, or IMAGE, or one version of it: that the records are signed, that indexes are\n"
          "what the records say, and the SHA-256 of every chunk. Exit status 3 if something is wrong\n"
          "and stays so.",
          0, 1, &status))
    return status;
  if (verb.argc && !image_ref_parse (verb.argv[0], &image, &version, &error))
    return verb_usage (&verb, error);
  if (!verify (&verb, image, version, repair, &result, &error))
    return verb_fail (&verb, error);
  if (verb.json)
    print_json (&result);
  else
    print_text (&result, repair);
  return n_problems (&result) ? EXIT_NO : EXIT_DONE;
}
