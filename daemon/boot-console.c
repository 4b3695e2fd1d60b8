// SPDX-License-Identifier: GPL-2.0-or-later
// Listening to a desktop's serial console until it says a text.

#include "boot-console.h"

#include "console-matcher.h"
#include "libvirt-connection.h"

#define READ_SIZE 16384

struct BootConsole
{
  virStreamPtr stream; // NULL: it is not open
  ConsoleMatcher *matcher;
  void (*on_text) (gpointer data);
  gpointer data;
};

/* libvirt frees nothing of ours.  */
static void
free_nothing (void *data)
{
}

static void
close_stream (BootConsole *console)
{
  if (!console->stream)
    return;
  virStreamEventRemoveCallback (console->stream);
  virStreamAbort (console->stream);
  virStreamFree (console->stream);
  console->stream = NULL;
}

/* Take what it says, once: there is a next time if there is more.  */
static void
on_event (virStreamPtr stream, int events, void *data)
{
  BootConsole *console = data;
  char bytes[READ_SIZE];
  int count = virStreamRecv (stream, bytes, sizeof bytes);

  if (count > 0 && console_matcher_feed (console->matcher, bytes, (gsize)count) >= 0)
    {
      close_stream (console);
      console->on_text (console->data);
    }
  else if (count <= 0 && count != -2) // -2: nothing is there now
    close_stream (console);
}

BootConsole *
boot_console_open (virConnectPtr connection, virDomainPtr domain, const char *text,
                   void (*on_text) (gpointer data), gpointer data)
{
  BootConsole *console = g_new (BootConsole, 1);
  const char *const texts[] = { text, NULL };
  g_autoptr (GError) error = NULL;

  *console = (BootConsole){ virStreamNew (connection, VIR_STREAM_NONBLOCK),
                            console_matcher_new (texts), on_text, data };
  if (!console->stream)
    return console;
  if (virDomainOpenConsole (domain, NULL, console->stream, 0) == 0
      && virStreamEventAddCallback (console->stream,
                                    VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_ERROR
                                        | VIR_STREAM_EVENT_HANGUP,
                                    on_event, console, free_nothing)
             == 0)
    return console;
  libvirt_fail (&error, "its console is not heard");
  g_message ("%s: %s", virDomainGetName (domain), error->message);
  virStreamFree (console->stream);
  console->stream = NULL;
  return console;
}

gboolean
boot_console_is_open (const BootConsole *console)
{
  return console->stream != NULL;
}

void
boot_console_free (BootConsole *console)
{
  if (!console)
    return;
  close_stream (console);
  console_matcher_free (console->matcher);
  g_free (console);
}
