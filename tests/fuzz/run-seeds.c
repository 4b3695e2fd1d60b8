// SPDX-License-Identifier: GPL-2.0-or-later
// A fuzz target as a test: fuzz-NAME gives its target each seed in tests/fuzz/seeds/NAME.
//
//   fuzz-NAME                 all seeds; one named good-… has to be read, one named bad-… refused
//   fuzz-NAME FILE…           these files, such as libFuzzer's crash-…
//   fuzz-NAME --unpack DIR    write the seeds to DIR, for libFuzzer
//
// A seed is a file as it is, or, NAME.xxd, what xxd(1) shows of one; of that, lines of zeros may be
// left out.

#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#define PACKED ".xxd"

/* Add what one line of xxd's shows, "offset: 5146 49fb  QFI.", to BYTES.  */
static void
unpack_line (GByteArray *bytes, const char *line)
{
  static const guint8 ZERO;
  char *at;

  for (guint64 offset = g_ascii_strtoull (line, &at, 16); bytes->len < offset;)
    g_byte_array_append (bytes, &ZERO, 1);
  g_assert_true (*at == ':' && at[1] == ' ');
  for (at += 2; g_ascii_isxdigit (*at); at += *at == ' ')
    for (; g_ascii_isxdigit (*at); at += 2)
      {
        guint8 byte = (guint8)(g_ascii_xdigit_value (*at) << 4 | g_ascii_xdigit_value (at[1]));
        g_byte_array_append (bytes, &byte, 1);
      }
}

/* What the seed at PATH stands for.  */
static GBytes *
read_seed (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize size;

  g_file_get_contents (path, &text, &size, &error);
  g_assert_no_error (error);
  if (!g_str_has_suffix (path, PACKED))
    return g_bytes_new (text, size);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (text), "\n", -1);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  for (gsize i = 0; lines[i]; i++)
    unpack_line (bytes, lines[i]);
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

static gboolean
run (const char *path)
{
  g_autoptr (GBytes) seed = read_seed (path);
  gsize size;
  const guint8 *data = g_bytes_get_data (seed, &size);
  // A copy of that very size, so that valgrind and the sanitizers see a read past its end.
  g_autofree guint8 *copy = g_malloc (MAX (size, 1));

  if (size > 0)
    memcpy (copy, data, size);
  return fuzz_input (copy, size);
}

static void
test_seed (gconstpointer path)
{
  g_autofree char *name = g_path_get_basename (path);
  gboolean is_good = g_str_has_prefix (name, "good-");

  g_assert_true (is_good || g_str_has_prefix (name, "bad-"));
  g_assert_cmpint (run (path), ==, is_good);
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* The paths of the seeds of PROGRAM, fuzz-NAME, sorted.  */
static GPtrArray *
find_seeds (const char *program)
{
  g_autofree char *name = g_path_get_basename (program);
  const char *srcdir = g_getenv ("srcdir");
  g_autofree char *path = g_build_filename (srcdir ? srcdir : ".", "tests", "fuzz", "seeds",
                                            name + strlen ("fuzz-"), NULL);
  GPtrArray *seeds = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) directory = g_dir_open (path, 0, &error);
  const char *file;

  g_assert_no_error (error);
  while ((file = g_dir_read_name (directory)))
    g_ptr_array_add (seeds, g_build_filename (path, file, NULL));
  g_assert_cmpuint (seeds->len, >, 0);
  g_ptr_array_sort (seeds, compare_paths);
  return seeds;
}

static void
unpack (const GPtrArray *seeds, const char *directory)
{
  for (guint i = 0; i < seeds->len; i++)
    {
      g_autoptr (GBytes) seed = read_seed (seeds->pdata[i]);
      g_autofree char *name = g_path_get_basename (seeds->pdata[i]);
      if (g_str_has_suffix (name, PACKED))
        name[strlen (name) - strlen (PACKED)] = '\0';
      g_autofree char *path = g_build_filename (directory, name, NULL);
      g_autoptr (GError) error = NULL;
      gsize size;
      const char *data = g_bytes_get_data (seed, &size);
      g_file_set_contents (path, data, (gssize)size, &error);
      g_assert_no_error (error);
    }
}

int
main (int argc, char **argv)
{
  if (argc > 1 && argv[1][0] != '-')
    {
      for (int i = 1; i < argc; i++)
        printf ("%s: %s\n", argv[i], run (argv[i]) ? "read" : "refused");
      return 0;
    }
  g_autoptr (GPtrArray) seeds = find_seeds (argv[0]);
  if (argc == 3 && g_str_equal (argv[1], "--unpack"))
    {
      unpack (seeds, argv[2]);
      return 0;
    }
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < seeds->len; i++)
    {
      g_autofree char *name = g_path_get_basename (seeds->pdata[i]);
      g_autofree char *path = g_strconcat ("/seed/", name, NULL);
      g_test_add_data_func (path, seeds->pdata[i], test_seed);
    }
  return g_test_run ();
}
