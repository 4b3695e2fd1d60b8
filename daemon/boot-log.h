// SPDX-License-Identifier: GPL-2.0-or-later
// What this host counts of its desktops' boots: STATE/images/boots.json.
//
//   { "format": "gild-boots-1", "versions": [see boot-counts.h],
//     "running": [{ "name": "pc1", "since": as its pin has it, "refs": ["accounting/desktop@7"],
//                   "state": "starting", "up" or "late" }] }
//
// "running" is there so that a gildd which is restarted counts no boot twice.  Each change is
// written at once.  Not safe from several threads.
#pragma once

#include "qcow-backing/boot-counts.h"
#include "qcow-backing/pins.h"

typedef struct BootLog BootLog;

typedef enum
{
  BOOT_STARTING,
  BOOT_UP,
  BOOT_LATE, // it should be up by now
} BootState;

/* The log of CONFIG, which must stay; one that cannot be read is begun anew.  */
BootLog *boot_log_open (const Config *config);
void boot_log_free (BootLog *log);

/* The desktop of PIN runs.  A boot that is not known yet is counted.  */
BootState boot_log_start (BootLog *log, const Pin *pin);

/* The boot of the desktop NAME has come to STATE.  */
void boot_log_set (BootLog *log, const char *name, BootState state);

/* It cannot be said how the boot of NAME went: it does not count.  */
void boot_log_forget (BootLog *log, const char *name);

/* The desktop NAME was reset; it has ended, and maybe crashed.  */
void boot_log_reset (BootLog *log, const char *name);
void boot_log_end (BootLog *log, const char *name, gboolean has_crashed);

/* The desktops that are not in NAMES, a set, have ended unseen.  */
void boot_log_keep (BootLog *log, GHashTable *names);
