// SPDX-License-Identifier: GPL-2.0-or-later
// Listening to a desktop's serial console until it says a text.
//
// Nothing of what it says is kept, and nobody is waited for.  While it is open nobody else can open
// the console, but by force (virsh console --force), and then it hears no more.
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

typedef struct BootConsole BootConsole;

/* Listen to DOMAIN until it says TEXT, which passes console_text_check; ON_TEXT, which may free the
   result, is called then.  For the thread that runs libvirt's events.  */
BootConsole *boot_console_open (virConnectPtr connection, virDomainPtr domain, const char *text,
                                void (*on_text) (gpointer data), gpointer data);
void boot_console_free (BootConsole *console);

/* Whether it could be opened, and is.  */
gboolean boot_console_is_open (const BootConsole *console);
