// SPDX-License-Identifier: GPL-2.0-or-later
// Asking who sits at the terminal whether an edit shall be published.

#include "edit-question.h"

#include <termios.h>
#include <unistd.h>

#include "edit-signals.h"
#include "gild.h"
#include "qcow-backing/fail.h"

#define ANSWER_MAX 64
#define LOOK_MS    1000

gboolean
edit_question_check (GError **error)
{
  int fd = terminal_open ();

  if (fd < 0)
    return fail (
        error,
        "there is no terminal to ask whether to publish: write --yes, to publish what is there at the end");
  close (fd);
  return TRUE;
}

/* A line from the terminal FD, or as much of it as counts, in ANSWER; FALSE at its end, and when a
   signal comes.  */
static gboolean
read_answer (int fd, char answer[ANSWER_MAX])
{
  const gint *interrupted = edit_signals_interrupted ();

  while (!g_atomic_int_get (interrupted) && !edit_signals_wait (fd, LOOK_MS))
    continue;
  gssize count = g_atomic_int_get (interrupted) ? 0 : read (fd, answer, ANSWER_MAX - 1);
  if (count <= 0)
    return FALSE;
  answer[count] = '\0';
  return TRUE;
}

gboolean
edit_question_ask (const char *image)
{
  g_autofree char *question =
      g_strdup_printf ("Publish this as the next version of %s? [y/N] ", image);
  char answer[ANSWER_MAX];
  int fd = terminal_open ();

  if (fd < 0)
    return FALSE;
  tcflush (fd, TCIFLUSH); // what was typed before the question is no answer to it
  terminal_say (fd, question);
  gboolean is_answered = read_answer (fd, answer);
  if (!is_answered)
    terminal_say (fd, "\n");
  tcflush (fd, TCIFLUSH);
  close (fd);
  return is_answered
         && (g_ascii_strcasecmp (g_strstrip (answer), "y") == 0
             || g_ascii_strcasecmp (answer, "yes") == 0);
}
