// SPDX-License-Identifier: GPL-2.0-or-later
// How the desktops of a host have come up, counted for each version that they booted.
//
// An array, of what booted last the last:
//
//   [{ "ref": "accounting/desktop@7", "started": 12, "up": 11, "late": 1, "gone": 0, "resets": 2,
//      "crashes": 0 }]
//
// It is in STATE/images/boots.json, which gildd writes (daemon/boot-log.h), and in heartbeats.
#pragma once

#include <json-glib/json-glib.h>

#include "config.h"

#define BOOT_COUNTS_MAX     100 // versions; those that booted last are kept
#define BOOT_COUNTS_FORMAT  "gild-boots-1"
#define BOOT_COUNTS_HIGHEST 1000000000u

typedef struct
{
  char *ref;     // IMAGE@VERSION
  guint started; // boots
  guint up;      // of them, those that came up
  guint late;    // those that run, should be up by now, and are not
  guint gone;    // those that ended before they were up
  guint resets;  // times that one was reset
  guint crashes; // times that QEMU or the guest failed
} BootCounts;

BootCounts *boot_counts_new (const char *ref);
void boot_counts_free (BootCounts *counts);

/* An empty list, of BootCounts *; a copy; and the one of REF in it, NULL if none.  */
GPtrArray *boot_counts_list_new (void);
GPtrArray *boot_counts_list_copy (const GPtrArray *list);
BootCounts *boot_counts_find (const GPtrArray *list, const char *ref);

/* Add MORE to SUM, whose ref stays.  */
void boot_counts_add (BootCounts *sum, const BootCounts *more);

JsonArray *boot_counts_to_json (const GPtrArray *list);
GPtrArray *boot_counts_from_json (JsonArray *array, GError **error);

/* What STATE/images/boots.json of CONFIG has of "versions"; an empty list where there is no such
   file, or none that can be read.  */
GPtrArray *boot_counts_load (const Config *config);
