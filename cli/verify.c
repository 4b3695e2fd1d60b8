// SPDX-License-Identifier: GPL-2.0-or-later
// gild verify: check every byte of every version.

#include "gild.h"

#include <stdio.h>

#include "qcow-backing/image-name.h"
#include "qcow-backing/verify.h"

static void
print_json (const VerifyResult *result)
{
  g_autoptr (JsonObject) object = json_object_new ();
  JsonArray *problems = json_array_new ();

  for (guint i = 0; i < result->problems->len; i++)
    json_array_add_string_element (problems, result->problems->pdata[i]);
  json_object_set_int_member (object, "versions", result->versions);
  json_object_set_int_member (object, "chunks", (gint64)result->chunks);
  json_object_set_array_member (object, "problems", problems);
  json_print_object (object);
}

static void
print_text (const VerifyResult *result)
{
  for (guint i = 0; i < result->problems->len; i++)
    printf ("%s\n", (char *)result->problems->pdata[i]);
  printf ("%u versions, %" G_GUINT64_FORMAT " chunks: ", result->versions, result->chunks);
  if (result->problems->len)
    printf ("%u %s\n", result->problems->len, result->problems->len == 1 ? "problem" : "problems");
  else
    printf ("all is whole\n");
}

static gboolean
verify (const Verb *verb, const char *image, guint version, VerifyResult *result, GError **error)
{
  g_autoptr (ImageLibrary) library = verb_open_library (verb, error);

  if (!library)
    return FALSE;
  g_autoptr (TerminalProgress) progress = terminal_progress_new ("verify");
  return verify_run (library, image, version, terminal_progress_get (progress), result, error);
}

ExitStatus
verb_verify (int argc, char **argv)
{
  g_auto (Verb) verb = { 0 };
  g_auto (VerifyResult) result = { 0 };
  g_autofree char *image = NULL;
  g_autoptr (GError) error = NULL;
  guint version = 0;
  ExitStatus status;

  if (!verb_parse (
          &verb, argc, argv, NULL, "[IMAGE[@VERSION]]",
          "Check all images, or IMAGE, or one version of it: that the records are signed, that indexes are\n"
          "what the records say, and the SHA-256 of every chunk. Exit status 3 if something is wrong.",
          0, 1, &status))
    return status;
  if (verb.argc && !image_ref_parse (verb.argv[0], &image, &version, &error))
    return verb_usage (&verb, error);
  if (!verify (&verb, image, version, &result, &error))
    return verb_fail (&verb, error);
  if (verb.json)
    print_json (&result);
  else
    print_text (&result);
  return result.problems->len ? EXIT_NO : EXIT_DONE;
}
