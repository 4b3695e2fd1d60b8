// SPDX-License-Identifier: GPL-2.0-or-later
// Which files differ between two trees, and how their names are shown.

#include "qcow-backing/tree-diff.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qcow-backing/printable.h"
#include "remove-tree.h"

typedef struct
{
  char *directory;
  Tree old_tree, new_tree;
} Fixture;

static int
make_tree (const Fixture *fixture, const char *name)
{
  g_autofree char *path = g_build_filename (fixture->directory, name, NULL);

  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("gild-tree-XXXXXX", NULL);
  g_assert_nonnull (fixture->directory);
  fixture->old_tree = (Tree){ make_tree (fixture, "old"), "demo/a@1" };
  fixture->new_tree = (Tree){ make_tree (fixture, "new"), "demo/a@2" };
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  close (fixture->old_tree.fd);
  close (fixture->new_tree.fd);
  remove_tree (fixture->directory);
  g_free (fixture->directory);
}

static void
put (const Tree *tree, const char *path, const char *text)
{
  int fd = openat (tree->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (gssize)strlen (text));
  close (fd);
}

static void
put_both (const Fixture *fixture, const char *path, const char *old, const char *new)
{
  if (old)
    put (&fixture->old_tree, path, old);
  if (new)
    put (&fixture->new_tree, path, new);
}

static void
link_both (const Fixture *fixture, const char *path, const char *old, const char *new)
{
  g_assert_cmpint (symlinkat (old, fixture->old_tree.fd, path), ==, 0);
  g_assert_cmpint (symlinkat (new, fixture->new_tree.fd, path), ==, 0);
}

static void
make_directory (const Tree *tree, const char *path)
{
  g_assert_cmpint (mkdirat (tree->fd, path, 0755), ==, 0);
}

/* "M /a|A /b/", and how many files were read.  */
static char *
compare (const Fixture *fixture, TreeIsSameFunc is_same, guint64 *n_read)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TreeDiff) diff =
      tree_diff (&fixture->old_tree, &fixture->new_tree, is_same, NULL, &error);
  GString *text = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < diff->changes->len; i++)
    {
      const TreeChange *change = diff->changes->pdata[i];
      g_string_append_printf (text, "%s%c %s", i > 0 ? "|" : "", change->kind, change->path);
    }
  if (n_read)
    *n_read = diff->n_read;
  return g_string_free (text, FALSE);
}

static void
assert_differ (const Fixture *fixture, const char *wanted)
{
  g_autofree char *text = compare (fixture, NULL, NULL);

  g_assert_cmpstr (text, ==, wanted);
}

static void
test_files (Fixture *fixture, gconstpointer data)
{
  assert_differ (fixture, "");
  put_both (fixture, "same", "1", "1");
  put_both (fixture, "bytes", "1", "2");
  put_both (fixture, "size", "1", "12");
  put_both (fixture, "empty", "", "");
  put_both (fixture, "gone", "1", NULL);
  put_both (fixture, "new", NULL, "1");
  put_both (fixture, "a b\nc", NULL, "1");
  put_both (fixture, "mode", "1", "1");
  g_assert_cmpint (fchmodat (fixture->new_tree.fd, "mode", 0600, 0), ==, 0);
  assert_differ (fixture, "A /a b\nc|M /bytes|D /gone|P /mode|A /new|M /size");
}

static void
test_types (Fixture *fixture, gconstpointer data)
{
  link_both (fixture, "link", "/etc", "/etc");
  link_both (fixture, "changed", "same", "other");
  put_both (fixture, "was-file", "1", NULL);
  make_directory (&fixture->new_tree, "was-file");
  put (&fixture->new_tree, "was-file/in", "1");
  g_assert_cmpint (mkfifoat (fixture->old_tree.fd, "fifo", 0644), ==, 0);
  g_assert_cmpint (mkfifoat (fixture->new_tree.fd, "fifo", 0644), ==, 0);
  // What is in the directory that a link names is not looked at.
  make_directory (&fixture->old_tree, "real");
  put (&fixture->old_tree, "real/in", "1");
  g_assert_cmpint (symlinkat ("../old/real", fixture->new_tree.fd, "real"), ==, 0);
  assert_differ (fixture, "M /changed|T /real|D /real/in|T /was-file/|A /was-file/in");
}

static void
test_directories (Fixture *fixture, gconstpointer data)
{
  make_directory (&fixture->old_tree, "d");
  make_directory (&fixture->new_tree, "d");
  put_both (fixture, "d/f", "1", "2");
  put_both (fixture, "d-", "1", "2"); // stands before "d/" in the order of bytes
  make_directory (&fixture->new_tree, "n");
  make_directory (&fixture->new_tree, "n/m");
  put (&fixture->new_tree, "n/m/f", "");
  make_directory (&fixture->old_tree, "o");
  assert_differ (fixture, "M /d-|M /d/f|A /n/|A /n/m/|A /n/m/f|D /o/");
  g_assert_cmpint (fchmod (fixture->new_tree.fd, 0700), ==, 0);
  assert_differ (fixture, "P /|M /d-|M /d/f|A /n/|A /n/m/|A /n/m/f|D /o/");
}

static gboolean
say_same (int old_fd, int new_fd, gpointer data)
{
  struct stat status;

  g_assert_cmpint (fstat (old_fd, &status), ==, 0);
  return status.st_size == 2;
}

/* Who is told that files are the same does not read them.  */
static void
test_not_read (Fixture *fixture, gconstpointer data)
{
  guint64 n_read;

  put_both (fixture, "believed", "12", "34");
  put_both (fixture, "read", "1", "3");
  put_both (fixture, "size", "1", "12");
  g_autofree char *text = compare (fixture, say_same, &n_read);
  g_assert_cmpstr (text, ==, "M /read|M /size");
  g_assert_cmpuint (n_read, ==, 1);
}

static void
test_large (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = g_strnfill (600000, 'x');

  put (&fixture->old_tree, "large", text);
  put (&fixture->new_tree, "large", text);
  assert_differ (fixture, "");
  text[599999] = 'y';
  put (&fixture->new_tree, "large", text);
  assert_differ (fixture, "M /large");
}

static void
test_depth (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  int fd = dup (fixture->new_tree.fd);

  for (guint i = 0; i <= TREE_DEPTH_MAX; i++)
    {
      g_assert_cmpint (mkdirat (fd, "d", 0755), ==, 0);
      int next = openat (fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      close (fd);
      fd = next;
      g_assert_cmpint (fd, >=, 0);
    }
  close (fd);
  g_assert_null (tree_diff (&fixture->old_tree, &fixture->new_tree, NULL, NULL, &error));
  g_assert_nonnull (strstr (error->message, "demo/a@2"));
  g_assert_nonnull (strstr (error->message, "deeper"));
}

static void
test_printable (void)
{
  static const struct
  {
    const char *path, *shown;
  } PATHS[] = {
    { "", "" },
    { "/a b/ü", "/a b/ü" },
    { "/a\nb\t", "\"/a\\nb\\t\"" },
    { "/a\"b", "\"/a\\\"b\"" },
    { "/a\\n", "\"/a\\\\n\"" },
    { "/\033[2J", "\"/\\033[2J\"" },
    { "/\xc3", "\"/\\303\"" },
    { "/\xc3(ü", "\"/\\303(ü\"" },
    { "/\xe2\x80\xae", "\"/\\342\\200\\256\"" }, // turns the direction of writing
  };

  for (gsize i = 0; i < G_N_ELEMENTS (PATHS); i++)
    {
      g_autofree char *shown = printable_path (PATHS[i].path);
      g_assert_cmpstr (shown, ==, PATHS[i].shown);
    }
}

#define ADD(name, func) g_test_add ("/tree-diff/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("depth", test_depth);
  ADD ("types", test_types);
  ADD ("files", test_files);
  ADD ("directories", test_directories);
  ADD ("large", test_large);
  ADD ("not-read", test_not_read);
  g_test_add_func ("/tree-diff/printable", test_printable);
  return g_test_run ();
}
