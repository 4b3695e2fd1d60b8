// SPDX-License-Identifier: GPL-2.0-or-later
// A script that is kept: it and all that it starts are gone when it ends, when it is ended, and
// when this process is killed.
#pragma once

#include <glib.h>

typedef struct ScriptKeeper ScriptKeeper;

/* Runs in GLib's default main context.  STATUS is the script's exit status, as a shell has it.  */
typedef void (*ScriptEnded) (int status, gpointer data);

/* Start the program at PATH with ENVIRONMENT, an empty stdin, and for its stdout this process's
   stderr; as who this process is, also where the thread uses files as somebody else.  ENDED is
   called once, unless script_keeper_end comes before.  */
ScriptKeeper *script_keeper_start (const char *path, char **environment, ScriptEnded ended,
                                   gpointer data, GError **error);

/* End it and all that it has left (SIGKILL), wait for that, and free KEEPER, which may be NULL.  */
void script_keeper_end (ScriptKeeper *keeper);
