// SPDX-License-Identifier: GPL-2.0-or-later
// Sentences of errors: one printable line, whatever is put into them.

#include "qcow-backing/fail.h"

#include <errno.h>

static const struct
{
  const char *name, *text, *sentence;
} SENTENCES[] = {
  { "plain", "vda", "disk 'vda'" },
  { "letters", "Büro", "disk 'Büro'" },
  { "two-lines", "vda'\nall is well", "disk 'vda' all is well'" },
  { "terminal", "\033[2J\033]0;x\a", "disk ' [2J ]0;x '" },
  { "terminal-8-bit", "\302\2332J", "disk ' 2J'" },
  { "right-to-left", "a\342\200\256b", "disk 'a b'" },
  { "no-utf8", "a\xff", "disk 'a\357\277\275'" },
  { "overlong", "\xc0\x9b", "disk '\357\277\275\357\277\275'" },
};

static void
test_sentence (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (GError) error = NULL;

  g_assert_false (fail (&error, "disk '%s'", SENTENCES[i].text));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, SENTENCES[i].sentence);
}

/* A name that is cut short may be cut within a letter.  */
static void
test_cut (void)
{
  g_autoptr (GError) error = NULL;

  fail_code (&error, G_IO_ERROR_NOT_FOUND, "'%.2s'", "aü");
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpstr (error->message, ==, "'a\357\277\275'");
}

static void
test_errno (void)
{
  g_autoptr (GError) error = NULL;

  errno = EACCES;
  fail_errno (&error, "open a\nb");
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
  g_assert_cmpstr (error->message, ==, "open a b: Permission denied");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (SENTENCES); i++)
    {
      g_autofree char *path = g_strconcat ("/fail/", SENTENCES[i].name, NULL);
      g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_sentence);
    }
  g_test_add_func ("/fail/cut", test_cut);
  g_test_add_func ("/fail/errno", test_errno);
  return g_test_run ();
}
