// SPDX-License-Identifier: GPL-2.0-or-later
// A pass phrase, from a file or from the terminal.

#include "gild.h"

#include <gnutls/crypto.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "network/key-file.h"
#include "qcow-backing/fail.h"
#include "qcow-backing/file-read.h"

/* A line from the terminal FD, of at most KEY_FILE_PASSPHRASE_MAX bytes; NULL at its end.  */
static char *
read_line (int fd)
{
  char line[KEY_FILE_PASSPHRASE_MAX + 1];
  gsize length = 0;
  char c;

  while (read (fd, &c, 1) == 1)
    {
      if (c == '\n')
        {
          char *text = g_strndup (line, length);
          gnutls_memset (line, 0, sizeof line);
          return text;
        }
      if (length < KEY_FILE_PASSPHRASE_MAX)
        line[length++] = c;
    }
  return NULL;
}

/* Ask for it at the terminal FD, which shows nothing of it.  */
static char *
ask (int fd, const char *question)
{
  struct termios was, silent;

  if (tcgetattr (fd, &was) < 0)
    return NULL;
  silent = was;
  silent.c_lflag &= ~(tcflag_t)ECHO;
  terminal_say (fd, question);
  tcsetattr (fd, TCSAFLUSH, &silent);
  char *text = read_line (fd);
  tcsetattr (fd, TCSAFLUSH, &was);
  terminal_say (fd, "\n");
  return text;
}

static gboolean
check (const char *passphrase, GError **error)
{
  gsize size = strlen (passphrase);

  return (size >= KEY_FILE_PASSPHRASE_MIN && size <= KEY_FILE_PASSPHRASE_MAX)
         || fail (error, "a pass phrase has %d to %d bytes", KEY_FILE_PASSPHRASE_MIN,
                  KEY_FILE_PASSPHRASE_MAX);
}

void
passphrase_free (char *passphrase)
{
  if (passphrase)
    gnutls_memset (passphrase, 0, strlen (passphrase));
  g_free (passphrase);
}

/* The first line of the file at PATH.  */
static char *
read_file (const char *path, GError **error)
{
  char *text = file_read (path, 2 * KEY_FILE_PASSPHRASE_MAX, NULL, error);

  if (text)
    *strchrnul (text, '\n') = '\0';
  return text;
}

/* From the terminal, with TWICE asked for twice.  */
static char *
read_terminal (gboolean twice, GError **error)
{
  int fd = terminal_open ();

  if (fd < 0)
    {
      fail (error, "there is no terminal to ask for the pass phrase: write --passphrase-file FILE");
      return NULL;
    }
  char *first = ask (fd, "Pass phrase: ");
  char *second = first && twice ? ask (fd, "Again: ") : NULL;
  close (fd);
  if (!first || (twice && g_strcmp0 (first, second) != 0))
    {
      fail (error, first ? "the two pass phrases differ" : "there is no pass phrase");
      g_clear_pointer (&first, passphrase_free);
    }
  passphrase_free (second);
  return first;
}

char *
passphrase_read (const char *path, gboolean twice, GError **error)
{
  char *text = path ? read_file (path, error) : read_terminal (twice, error);

  if (text && !check (text, error))
    g_clear_pointer (&text, passphrase_free);
  return text;
}
