// SPDX-License-Identifier: GPL-2.0-or-later
// A console's log: all that a guest said, or the beginning and the end of it.

#include "daemon/console-log.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  char *directory, *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("gild-console-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->directory, "console.log", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_unlink (fixture->path);
  g_rmdir (fixture->directory);
  g_free (fixture->directory);
  g_free (fixture->path);
}

static char *
contents (const Fixture *fixture, gsize *size)
{
  char *text;

  g_assert_true (g_file_get_contents (fixture->path, &text, size, NULL));
  return text;
}

/* BYTES of numbered lines, so that any part of them can be told from any other.  */
static GString *
numbered_lines (gsize bytes)
{
  GString *text = g_string_sized_new (bytes + 16);

  for (guint i = 0; text->len < bytes; i++)
    g_string_append_printf (text, "%09u\r\n", i);
  return g_string_truncate (text, bytes);
}

static void
test_bad (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (console_log_open ("/nonexistent/console.log", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (fixture->path, "another's", -1, NULL));
  g_assert_null (console_log_open (fixture->path, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
}

/* What it has been told is in the file at once.  */
static void
test_short (Fixture *fixture, gconstpointer data)
{
  gsize size;
  ConsoleLog *log = console_log_open (fixture->path, NULL);

  console_log_add (log, "a\0b", 3);
  g_autofree char *first = contents (fixture, &size);
  g_assert_cmpmem (first, size, "a\0b", 3);
  console_log_add (log, "c", 1);
  g_assert_true (console_log_close (log, NULL));
  g_autofree char *all = contents (fixture, &size);
  g_assert_cmpmem (all, size, "a\0bc", 4);
}

/* In pieces of some size.  */
static void
add_all (ConsoleLog *log, const GString *text, gsize piece, const Fixture *fixture)
{
  GStatBuf status;

  for (gsize at = 0; at < text->len; at += piece)
    {
      console_log_add (log, text->str + at, MIN (piece, text->len - at));
      g_assert_cmpint (g_stat (fixture->path, &status), ==, 0);
      g_assert_cmpint (status.st_size, <=, 4 * CONSOLE_LOG_PART);
    }
}

static void
test_two_parts (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) text = numbered_lines (2 * CONSOLE_LOG_PART);
  ConsoleLog *log = console_log_open (fixture->path, NULL);
  gsize size;

  add_all (log, text, 12345, fixture);
  g_assert_true (console_log_close (log, NULL));
  g_autofree char *all = contents (fixture, &size);
  g_assert_cmpmem (all, size, text->str, text->len);
}

static void
test_long (Fixture *fixture, gconstpointer data)
{
  const gsize pieces[] = { 4097, 300001, 9 * CONSOLE_LOG_PART };
  g_autoptr (GString) text = numbered_lines (8 * CONSOLE_LOG_PART + 77);
  g_autofree char *line =
      g_strdup_printf ("\n[gild: %u bytes are left out here]\n", 6 * CONSOLE_LOG_PART + 77);

  for (gsize i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      ConsoleLog *log = console_log_open (fixture->path, NULL);
      gsize size;
      add_all (log, text, pieces[i], fixture);
      g_assert_true (console_log_close (log, NULL));
      g_autofree char *all = contents (fixture, &size);
      g_assert_cmpuint (size, ==, 2 * CONSOLE_LOG_PART + strlen (line));
      g_assert_cmpmem (all, CONSOLE_LOG_PART, text->str, CONSOLE_LOG_PART);
      g_assert_cmpmem (all + CONSOLE_LOG_PART, strlen (line), line, strlen (line));
      g_assert_cmpmem (all + size - CONSOLE_LOG_PART, CONSOLE_LOG_PART,
                       text->str + text->len - CONSOLE_LOG_PART, CONSOLE_LOG_PART);
      g_unlink (fixture->path);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/console-log/bad", Fixture, NULL, set_up, test_bad, tear_down);
  g_test_add ("/console-log/short", Fixture, NULL, set_up, test_short, tear_down);
  g_test_add ("/console-log/two-parts", Fixture, NULL, set_up, test_two_parts, tear_down);
  g_test_add ("/console-log/long", Fixture, NULL, set_up, test_long, tear_down);
  return g_test_run ();
}
