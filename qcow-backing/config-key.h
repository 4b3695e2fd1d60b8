// SPDX-License-Identifier: GPL-2.0-or-later
// A key of the configuration: what its value may be, and the field that it fills.
#pragma once

#include <glib.h>

/* A time of each day, in minutes after midnight; it goes over midnight where BEGIN is the later. */
typedef struct
{
  guint begin, end;
} ConfigHours;

typedef enum
{
  CONFIG_PATH,      // char *, absolute
  CONFIG_SIZE,      // guint64, bytes
  CONFIG_AUTO_SIZE, // the same, or "auto": a part of the RAM
  CONFIG_COUNT,     // guint
  CONFIG_CHOICE,    // char *, one of several words
  CONFIG_ADDRESS,   // char *, an IP address
  CONFIG_HOURS,     // ConfigHours
  CONFIG_RETENTION, // Retention
  CONFIG_DAYS,      // guint, written as 30d
  CONFIG_WORDS,     // char *, split as a shell does; NULL for "none"
} ConfigType;

typedef struct
{
  const char *group, *name;
  ConfigType type;
  gsize offset; // of the field in its struct
  const char *default_value;
  guint64 min, max;                      // of sizes and counts
  guint64 auto_part, auto_min, auto_max; // "auto" is this part of the RAM, within these
  const char *choices;                   // separated by commas
} ConfigKey;

/* Set the field of KEY in STRUCTURE to what TEXT says; strings in it are freed and are its own.  */
gboolean config_key_set (const ConfigKey *key, gpointer structure, const char *text,
                         GError **error);
