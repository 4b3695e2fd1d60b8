// SPDX-License-Identifier: GPL-2.0-or-later
// What gild desktops says of overlays that are kept.
#pragma once

#include <json-glib/json-glib.h>

#include "qcow-backing/kept-overlays.h"

/* A sentence for people that says what to do with KEPT.  */
char *kept_report_text (const KeptOverlays *kept);

/* The same as an object:
     "images": ["IMAGE@VERSION"…], "since", "kept": ISO 8601 in UTC, "bytes",
     "failure": sentence or null  */
JsonObject *kept_report_json (const KeptOverlays *kept);
