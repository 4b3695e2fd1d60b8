// SPDX-License-Identifier: GPL-2.0-or-later
// The terminal that gild was started from, for questions to whoever sits there.

#include "gild.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int
terminal_open (void)
{
  return open ("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

void
terminal_say (int fd, const char *text)
{
  while (*text)
    {
      gssize count = write (fd, text, strlen (text));
      if (count < 0)
        return;
      text += count;
    }
}
