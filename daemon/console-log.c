// SPDX-License-Identifier: GPL-2.0-or-later
// A file of what a guest says on its console: the beginning and the end, however much it says.

#include "console-log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "qcow-backing/fail.h"

struct ConsoleLog
{
  char *path;
  int fd;
  gsize head_size;  // in the file
  GByteArray *tail; // what came behind the head, and is in the file too
  guint64 left_out; // bytes between the two
  int failure;      // errno of the first write that failed; 0: none
};

ConsoleLog *
console_log_open (const char *path, GError **error)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

  if (fd < 0)
    {
      fail_errno (error, "make %s", path);
      return NULL;
    }
  ConsoleLog *log = g_new0 (ConsoleLog, 1);
  log->path = g_strdup (path);
  log->fd = fd;
  log->tail = g_byte_array_new ();
  return log;
}

static void
append (ConsoleLog *log, const void *bytes, gsize size)
{
  const char *at = bytes;

  while (size > 0 && log->failure == 0)
    {
      gssize count = write (log->fd, at, size);
      if (count < 0 && errno != EINTR)
        log->failure = errno;
      if (count > 0)
        {
          at += count;
          size -= (gsize)count;
        }
    }
}

/* Leave a part of the tail, in the file too.  */
static void
shorten (ConsoleLog *log)
{
  if (log->tail->len <= CONSOLE_LOG_PART)
    return;
  guint excess = log->tail->len - CONSOLE_LOG_PART;
  log->left_out += excess;
  g_byte_array_remove_range (log->tail, 0, excess);
  g_autofree char *line =
      g_strdup_printf ("\n[gild: %" G_GUINT64_FORMAT " bytes are left out here]\n", log->left_out);
  if (log->failure == 0 && ftruncate (log->fd, (off_t)log->head_size) < 0)
    log->failure = errno;
  append (log, line, strlen (line));
  append (log, log->tail->data, log->tail->len);
}

void
console_log_add (ConsoleLog *log, const void *bytes, gsize size)
{
  gsize head = MIN (size, CONSOLE_LOG_PART - log->head_size);

  append (log, bytes, head);
  log->head_size += head;
  for (gsize at = head; at < size;)
    {
      gsize piece = MIN (size - at, CONSOLE_LOG_PART);
      append (log, (const char *)bytes + at, piece);
      g_byte_array_append (log->tail, (const guint8 *)bytes + at, (guint)piece);
      at += piece;
      if (log->tail->len >= 2 * CONSOLE_LOG_PART)
        shorten (log);
    }
}

gboolean
console_log_close (ConsoleLog *log, GError **error)
{
  shorten (log);
  if (close (log->fd) < 0 && log->failure == 0)
    log->failure = errno;
  errno = log->failure;
  gboolean done = log->failure == 0 || fail_errno (error, "write %s", log->path);
  g_byte_array_unref (log->tail);
  g_free (log->path);
  g_free (log);
  return done;
}
