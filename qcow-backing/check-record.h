// SPDX-License-Identifier: GPL-2.0-or-later
// The check record: whether one version of an image came up in a VM when it was tried.
//
//   { "format": "gild-check-1", "image": "accounting/desktop", "version": 8, "result": "up",
//     "reason": "the guest's agent answers", "seconds": 21.4, "checked": "2026-11-25T02:10:00Z",
//     "console": "console.log", "screenshot": "screenshot.png" }
//
// It lies with the files that it names in STATE/checks/IMAGE/VERSION/.  Nobody signs it: it is what
// this host saw, and nothing is decided by it alone.
#pragma once

#include <json-glib/json-glib.h>

#define CHECK_RECORD_FILE       "result.json"
#define CHECK_RECORD_SIZE_MAX   65536 // bytes
#define CHECK_RECORD_REASON_MAX 1000  // bytes

typedef struct
{
  char *image;
  guint version;
  gboolean is_up;             // "up", else "not-up"
  char *reason;               // a sentence
  double seconds;             // that it took
  char *checked;              // when it began: ISO 8601, UTC
  char *console, *screenshot; // names of files beside it; NULL: there is none
} CheckRecord;

void check_record_free (CheckRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CheckRecord, check_record_free)

char *check_record_to_json (const CheckRecord *record);
CheckRecord *check_record_from_json (const char *text, gsize size, GError **error);
